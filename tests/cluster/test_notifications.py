"""Ten thousand likes within half a minute are one push and one row of the list, whatever fails meanwhile."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic, time
from typing import Any

import asyncpg
import msgspec
import pytest

from bench.database import put_in_outbox, waiting_in_outbox
from config.settings import load
from persistence.pool import UNANSWERED
from protocol.activity import Activity
from protocol.ids import Millis, UserId
from tests.cluster.looking import home_of
from tests.server.push.fcm_server import FcmServer
from tests.server.running import Installation
from tests.server.wire import session
from tests.until import until
from tidings_client import Devices, Login, Tokens

LIKES = 10_000
AT_ONCE = 500
WINDOW_S = 30.0
TOLD_WITHIN_S = 75.0
"""The window, an outage, and what a claim that died with its node takes to run out."""
WITHIN_S = 1.0
PHONE = "phone-of-ada"


class Somebody:
    """Ada, whose post is liked by everybody else, and her phone."""

    def __init__(self, installation: Installation, server: FcmServer) -> None:
        self.installation = installation
        self.server = server
        self.url = str(load(installation.data / "tidings.toml", {}).postgres.url)

    async def begin(self, others: int) -> None:
        self.ada, *self.others = await asyncio.to_thread(self.installation.mint, 1 + others, "person")
        tokens = Tokens(self.ada["user"], self.ada["access_token"], self.ada["refresh_token"], 900)
        self.login = Login(self.installation.url, tokens)
        await Devices(self.login).register("fcm", PHONE)

    async def liked(self, others: list[dict[str, Any]]) -> None:
        """All of them like her post at once."""
        connection = await asyncpg.connect(self.url)
        try:
            for start in range(0, len(others), AT_ONCE):
                some = [self._like(UserId(one["user"])) for one in others[start : start + AT_ONCE]]
                await put_in_outbox(connection, [msgspec.msgpack.encode(like) for like in some])
        finally:
            await connection.close()

    def _like(self, actor: UserId) -> Activity:
        at = Millis(int(time() * 1_000))
        return Activity(kind="like", actor=actor, recipient=UserId(self.ada["user"]), target="77", at=at)

    async def asked(self, statement: str) -> Any:
        """One value of the database."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement, int(self.ada["user"]))
        finally:
            await connection.close()

    async def handled(self) -> None:
        """Nothing waits in the outbox any more."""
        connection = await asyncpg.connect(self.url)
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):
                # Only the database knows, and it tells nobody by itself.
                while await waiting_in_outbox(connection):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        finally:
            await connection.close()

    async def written_to(self) -> None:
        """One of the others sends her a message, which is pushed."""
        url = self.installation.socket_url
        async with session(url, self.others[0]["access_token"]) as (b, _):
            id = (await b.ok("conversation.open", user=self.ada["user"]))["conversation"]["id"]
            async with session(url, self.ada["access_token"]) as (a, _):
                await a.ok("conversation.accept", conversation=id)
            await b.ok("message.send", conversation=id, cid="w" * 22, text="are you there?")
        await until(lambda: len(self.server.screens.alerts) > 1)

    def told(self) -> list[str]:
        """What stands on her phone."""
        return [shown.body for shown in self.server.screens.on(PHONE)]

    def home(self) -> int:
        """The number of her home."""
        return int(home_of(self.installation, self.ada).rpartition(":")[2]) - self.installation.port


@asynccontextmanager
async def somebody(folder: Path, others: int) -> AsyncIterator[Somebody]:
    async with FcmServer().serving() as server:
        settings = {"PUSH__FCM_ACCOUNT": json.dumps(server.account), "PUSH__FCM_URL": server.url}
        installation = await asyncio.to_thread(Installation(folder, settings, nodes=2).start)
        try:
            one = Somebody(installation, server)
            await one.begin(others)
            yield one
        finally:
            await asyncio.to_thread(installation.stop)


async def nothing(one: Somebody) -> None:
    """All goes well."""


async def node_killed(one: Somebody) -> None:
    """Her home dies; another one is started."""
    number = await asyncio.to_thread(one.home)
    pid = one.installation.node_pid(number)
    one.installation.kill_node(number)
    await asyncio.to_thread(one.installation.await_node, number, pid)


async def postgres_killed(one: Somebody) -> None:
    """Postgres dies and is started again."""
    one.installation.kill_postgres()
    async with asyncio.timeout(20):
        while True:
            try:
                await one.asked("select $1::bigint")
                return
            except UNANSWERED:
                await asyncio.sleep(0.05)


async def home_moved(one: Somebody) -> None:
    """Every node is started anew, one after the other."""
    restart = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "restart", "--rolling", "--data", str(one.installation.data)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await restart.wait() == 0


@pytest.mark.verify
@pytest.mark.parametrize("trouble", [nothing, node_killed, postgres_killed, home_moved])
async def test_ten_thousand_likes_in_one_window_are_one_push_and_one_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: Callable[[Somebody], Awaitable[None]]
) -> None:
    async with somebody(tmp_path, LIKES) as one:
        began = monotonic()
        await one.liked(one.others[: LIKES // 2])
        await trouble(one)
        await one.liked(one.others[LIKES // 2 :])
        published = monotonic() - began
        assert published < WINDOW_S
        await one.handled()
        folded = monotonic() - began
        assert folded < WINDOW_S
        assert one.told() == []
        await until(lambda: bool(one.told()), TOLD_WITHIN_S)
        told = monotonic() - began
        with capsys.disabled():
            print(f"\n{trouble.__name__}: published in {published:.1f} s, folded {folded:.1f} s, told {told:.1f} s")
        [body] = one.told()
        assert f"{LIKES - 2}" in body
        page = await one.login.call("GET", "/v1/notifications")
        [item] = page["items"]
        assert (item["actor_count"], item["target_count"], page["badge"]) == (LIKES, 1, 1)
        await one.handled()
        assert await one.asked("select count(*) from push_job where user_id = $1") == 1
        # What is pushed after all that is pushed of the likes.
        await one.written_to()
        assert list(one.server.screens.alerts.values()) == [1, 1]
        assert await one.asked("select count(*) from noted where recipient = $1 and not undone") == LIKES


@pytest.mark.verify
async def test_a_message_for_somebody_away_is_at_the_push_service_within_a_second_and_one_that_is_read_never(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with somebody(tmp_path, 1) as one:
        [ben] = one.others
        socket = one.installation.socket_url
        async with session(socket, ben["access_token"]) as (b, _):
            id = (await b.ok("conversation.open", user=one.ada["user"]))["conversation"]["id"]
            async with session(socket, one.ada["access_token"]) as (a, _):
                await a.ok("conversation.accept", conversation=id)
                await b.ok("message.send", conversation=id, cid="a" * 22, text="seen at once")
                await a.ok("message.read", conversation=id, c=1)
            began = monotonic()
            await b.ok("message.send", conversation=id, cid="b" * 22, text="are you there?")
            await until(lambda: "are you there?" in one.told())
            took = monotonic() - began
            with capsys.disabled():
                print(f"\nat the push service {took:.2f} s after it was sent")
            assert took < 1 + WITHIN_S
            assert len(one.server.screens.alerts) == 1
