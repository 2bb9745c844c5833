"""A node dies after the commit of a message and before anybody was told: its push is found in the log, once."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest

from config.settings import load
from tests.cluster.looking import apart, total
from tests.server.running import Installation
from tests.server.test_message_pushes import Phones
from tests.server.wire import session

SWEPT_S = 40.0
"""Ten seconds until a message is old enough, ten between sweeps, and a new node's start."""


@pytest.mark.verify
async def test_a_home_that_dies_before_it_hears_of_a_message_for_somebody_who_is_away(tmp_path: Path) -> None:
    installation = Installation(tmp_path, nodes=2).start()
    try:
        people = await asyncio.to_thread(apart, installation)
        # Their conversation lives where the one with the smaller id is at home.
        ada, ben = sorted(people, key=lambda person: int(person["user"]))
        number = people.index(ben) + 1
        of_ada = f"ws://127.0.0.1:{installation.port + people.index(ada) + 1}/v1/socket"
        phones = Phones(installation)
        await phones.register(ben["user"])
        async with session(of_ada, ada["access_token"]) as (a, _):
            id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
            home = installation.node_pid(number)
            os.kill(home, signal.SIGSTOP)
            await a.ok("message.send", conversation=id, cid="x" * 22, text="are you there?")
            os.kill(home, signal.SIGKILL)
        await phones.await_job(ben["user"], SWEPT_S)
        await asyncio.to_thread(installation.await_node, number, home)
        await phones.await_sweep(SWEPT_S)
        assert len(await phones.jobs(ben["user"])) == 1
        assert await asyncio.to_thread(total, installation, "tidings_message_pushes_swept_total") == 1
    finally:
        installation.stop()


@pytest.mark.verify
async def test_the_only_node_dies_before_the_job_of_a_message_is_written(tmp_path: Path) -> None:
    installation = Installation(tmp_path).start()
    try:
        ada, ben = installation.mint(2, "alone")
        phones = Phones(installation)
        await phones.register(ben["user"])
        holder = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
        async with session(installation.socket_url, ada["access_token"]) as (a, _):
            id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
            async with holder.transaction():
                await holder.execute("lock table push_job in exclusive mode")
                await a.ok("message.send", conversation=id, cid="x" * 22, text="are you there?")
                pid = installation.node_pid()
                installation.kill_node()
                await asyncio.to_thread(installation.await_node, 1, pid)
                assert await phones.jobs(ben["user"]) == []
        await holder.close()
        await phones.await_job(ben["user"], SWEPT_S)
        await phones.await_sweep(SWEPT_S)
        assert len(await phones.jobs(ben["user"])) == 1
    finally:
        installation.stop()
