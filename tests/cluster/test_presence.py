"""Presence across nodes while a node, Redis or NATS is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.settings import load
from persistence.presence.redis import LEASE, USER
from tests.cluster.homes import Homes, Person
from tests.server.running import Installation
from tests.server.wire import Map, Wire, session

GHOST_S = 20.0


@pytest.fixture
async def homes(tmp_path: Path) -> AsyncIterator[Homes]:
    """Ada and Ben follow each other and are at home on different nodes."""
    installation = await asyncio.to_thread(Installation(tmp_path, nodes=2).start)
    homes = await asyncio.to_thread(Homes, installation)
    database = await asyncpg.connect(str(settings(installation).postgres.url))
    for one, other in ((homes.ada, homes.ben), (homes.ben, homes.ada)):
        await database.execute(
            "insert into follow (follower, followee) values ($1, $2)", int(one["user"]), int(other["user"])
        )
    await database.close()
    yield homes
    await asyncio.to_thread(installation.stop)


def settings(installation: Installation):  # type: ignore[no-untyped-def]
    return load(installation.data / "tidings.toml", {})


async def watch(wire: Wire, person: Person) -> str:
    users: list[Map] = (await wire.ok("presence.watch", users=[person["user"]]))["users"]
    return str(users[0]["state"])


async def until_seen(wire: Wire, person: Person, state: str) -> None:
    """Ask again and again."""
    async with asyncio.timeout(GHOST_S):
        while await watch(wire, person) != state:  # noqa: ASYNC110 - another process has to come to know it
            await asyncio.sleep(0.1)


async def until_written(homes: Homes) -> None:
    """Both nodes have written again, to a Redis that had nothing, that they are there and who is at home on them."""
    keys = [USER + homes.ada["user"], USER + homes.ben["user"]]
    async with asyncio.timeout(GHOST_S):
        while True:
            # While it is killed nobody answers.
            with suppress(RedisError, OSError):
                async with Redis.from_url(str(settings(homes.installation).redis.url)) as redis:
                    if await redis.exists(*keys) == len(await redis.keys(LEASE + "*")) == 2:
                        return
            await asyncio.sleep(0.05)


async def until_told(wire: Wire, state: str, within_s: float = GHOST_S) -> list[Map]:
    """All that is told until that state is."""
    told: list[Map] = []
    async with asyncio.timeout(within_s):
        while not told or told[-1]["state"] != state:
            with suppress(TimeoutError):
                told.append(await wire.event("presence"))
    return told


@pytest.mark.verify
async def test_who_was_at_home_on_a_killed_node_is_no_ghost_for_longer_than_twenty_seconds(homes: Homes) -> None:
    async with session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _):
        async with session(homes.url(2), homes.ben["access_token"], snapshot=False):
            await until_seen(ada, homes.ben, "online")
            killed = monotonic()
            homes.installation.kill_node(2)
            gone = (await until_told(ada, "offline"))[-1]
            assert monotonic() - killed < GHOST_S
            assert gone["last_active_at"] > 1_700_000_000_000
        async with session(homes.url(1), homes.ben["access_token"], snapshot=False):
            await until_told(ada, "online")


@pytest.mark.verify
async def test_nothing_is_told_of_a_redis_that_starts_again_at_once_and_all_is_right_after(homes: Homes) -> None:
    async with (
        session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _),
        session(homes.url(2), homes.ben["access_token"], snapshot=False) as (ben, _),
    ):
        await until_seen(ada, homes.ben, "online")
        killed = homes.installation.valkey_pid()
        os.kill(killed, signal.SIGKILL)
        await until_written(homes)
        assert homes.installation.valkey_pid() != killed
        await until_seen(ada, homes.ben, "online")
        await ben.ok("background", on=True)
        told = await until_told(ada, "idle")
        assert {event["state"] for event in told} <= {"online", "idle"}


@pytest.mark.verify
async def test_while_redis_stands_still_people_are_unknown_and_then_right_again(homes: Homes) -> None:
    async with (
        session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _),
        session(homes.url(2), homes.ben["access_token"], snapshot=False) as (ben, _),
    ):
        await until_seen(ada, homes.ben, "online")
        pid = homes.installation.valkey_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            await until_told(ada, "unknown", 10)
            assert await watch(ada, homes.ben) == "unknown"
            await ben.ok("background", on=True)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until_told(ada, "idle", 10)


@pytest.mark.verify
async def test_after_flushall_everybody_is_written_again(homes: Homes) -> None:
    async with (
        session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _),
        session(homes.url(2), homes.ben["access_token"], snapshot=False) as (ben, _),
    ):
        await until_seen(ada, homes.ben, "online")
        async with Redis.from_url(str(settings(homes.installation).redis.url)) as redis:
            await redis.flushall()
        await until_written(homes)
        await until_seen(ada, homes.ben, "online")
        await until_seen(ben, homes.ada, "online")


@pytest.mark.verify
async def test_without_nats_presence_goes_on(homes: Homes) -> None:
    async with session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _):
        await until_seen(ada, homes.ben, "offline")
        pid = homes.installation.nats_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            async with session(homes.url(2), homes.ben["access_token"], snapshot=False) as (ben, _):
                await until_told(ada, "online", 5)
                await ben.socket.close(1000)
            await until_told(ada, "offline", 5)
        finally:
            os.kill(pid, signal.SIGCONT)
