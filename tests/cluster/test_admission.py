"""How many sessions may begin each second: those that resume are let in apart from all others."""

import asyncio

import pytest

from tests.cluster.homes import position
from tests.server.running import Installation
from tests.server.wire import dial, session
from tidings_client import Client


async def test_who_begins_anew_waits_while_those_who_resume_go_on_and_the_sdk_comes_through_by_itself(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    grants_little = {"GATEWAY__FRESH_PER_S": 5}
    installation = Installation(tmp_path_factory.mktemp("budget"), grants_little).start()
    try:
        people = installation.mint(10, "begins")
        url = installation.socket_url
        positions = []
        for person in people[:4]:
            async with session(url, person["access_token"]) as (wire, welcome):
                await wire.until_synced()
                await wire.socket.close(3000)
            positions.append(position(welcome))
        refused = 0
        for person in [*people[4:], *people[4:]]:
            async with dial(url) as wire:
                about = {"id": "other", "platform": "test", "app": "tests"}
                reply = await wire.ask("hello", token=person["access_token"], device=about)
                if "err" in reply:
                    refused += 1
                    assert reply["err"]["code"] == "unavailable"
                    assert 500 <= reply["err"]["retry_ms"] <= 3_000
                    code, reason = await wire.closed()
                    assert (code, reason["code"]) == (4103, "overloaded")
                    assert reason["retry_ms"] == reply["err"]["retry_ms"]
        assert refused >= 6
        for person, resume in zip(people, positions, strict=False):
            async with session(url, person["access_token"], resume=resume) as (wire, welcome):
                assert welcome["outcome"] == "resumed"
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(come_through(url, person["access_token"]))
    finally:
        installation.stop()


async def come_through(url: str, token: str) -> None:
    async with Client(url, token=token, queue=0) as client:
        assert client.outcome == "fresh"
