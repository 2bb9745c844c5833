"""Two nodes in processes of their own, a phone that the client library registers, an operator at the command line."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from persistence.pool import open_pool
from persistence.push.postgres import PostgresPush
from protocol.ids import UserId
from tests.contracts.push_grounds import a_push
from tests.server.push.fcm_server import FcmServer, problem
from tests.server.running import Installation
from tests.until import until
from tidings_client import Devices, Login, Tokens


@pytest.fixture
async def server() -> AsyncIterator[FcmServer]:
    async with FcmServer().serving() as server:
        yield server


@pytest.fixture
async def installation(tmp_path: Path, server: FcmServer) -> AsyncIterator[Installation]:
    settings = {"PUSH__FCM_ACCOUNT": json.dumps(server.account), "PUSH__FCM_URL": server.url}
    running = await asyncio.to_thread(Installation(tmp_path, settings, nodes=2).start)
    yield running
    await asyncio.to_thread(running.stop)


async def tidings(installation: Installation, *words: str) -> str:
    command = [sys.executable, "-m", "server.cli", "admin", "push", *words, "--data", str(installation.data)]
    done = await asyncio.to_thread(
        subprocess.run, command, check=True, capture_output=True, text=True, env=os.environ | {"COLUMNS": "150"}
    )
    return done.stdout


def pushed(installation: Installation) -> dict[tuple[str, str], float]:
    """Outcomes by provider, of all nodes."""
    counts: dict[tuple[str, str], float] = {}
    for number in (1, 2):
        with urllib.request.urlopen(f"http://127.0.0.1:{installation.port + 100 + number}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        for sample in (sample for family in families for sample in family.samples):
            if sample.name == "tidings_push_total":
                labels = sample.labels["provider"], sample.labels["outcome"]
                counts[labels] = counts.get(labels, 0) + sample.value
    return counts


@pytest.mark.verify
async def test_pushes_reach_a_phone_once_and_what_died_is_replayed(
    installation: Installation, server: FcmServer
) -> None:
    [ada] = await asyncio.to_thread(installation.mint, 1, "ada")
    devices = Devices(Login(installation.url, Tokens(ada["user"], ada["access_token"], ada["refresh_token"], 900)))
    device = await devices.register("fcm", "phone-of-ada", app="Tidings 1.0")
    assert await devices.vapid_key() is None
    settings = tomllib.loads((installation.data / "tidings.toml").read_text())
    async with open_pool(settings["postgres"]["url"], 1) as pool:
        store = PostgresPush(pool)
        pushes = [a_push(UserId(ada["user"]), str(n), collapse=str(n)) for n in range(100)]
        await store.request(pushes)
        # A breaker that opens because the machine stood still is open for 15 s.
        await until(lambda: len(server.screens.on("phone-of-ada")) == 100, within_s=60)
        assert set(server.screens.alerts.values()) == {1}

        server.answers.append(problem(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"))
        await store.request([*pushes, a_push(UserId(ada["user"]), "more", collapse="more")])
        await until(lambda: pushed(installation).get(("fcm", "refused")) == 1, blocks=True)
        dead = ""
        while "INVALID_ARGUMENT" not in dead:
            dead = await tidings(installation, "dead")
        assert ada["user"] in dead
        assert "hello" not in dead
        assert "1 dead push is tried anew" in await tidings(installation, "replay", "--all")
        await until(lambda: len(server.screens.on("phone-of-ada")) == 101)
        assert "no push is dead" in await tidings(installation, "dead")
        await until(lambda: pushed(installation)["fcm", "sent"] == 101, blocks=True)
        assert "waiting: nothing" in await tidings(installation, "list")

        await devices.forget(device)
        await store.request([a_push(UserId(ada["user"]), "late")])
        await until(lambda: pushed(installation).get(("job", "no device")) == 1, blocks=True)
