"""A block, a decline and an accept are heeded at once by whoever is connected, on a whole node."""

import asyncio
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.running import Installation
from tests.server.wire import Map, session


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("blocks")
    running = Installation(folder, {"GATEWAY__TYPING_MS": 0}, nodes=1).start()
    yield running
    running.stop()


async def put(installation: Installation, person: dict[str, Any], path: str, method: str = "PUT") -> None:
    bearer = {"Authorization": f"Bearer {person['access_token']}"}
    request = urllib.request.Request(f"{installation.url}{path}", headers=bearer, method=method)
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        assert answer.status == 200


def state_of(event: Map) -> tuple[str, str]:
    return event["user"], event["state"]


async def test_who_accepts_sees_and_is_seen_and_who_is_blocked_neither_sees_nor_types(
    installation: Installation,
) -> None:
    ada, ben = await asyncio.to_thread(installation.mint, 2, "blocks")
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"]) as (b, _),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await a.ok("message.send", conversation=id, cid="a" * 22, text="hello")
        [seen] = (await a.ok("presence.watch", users=[ben["user"]]))["users"]
        assert seen["state"] == "offline"
        await b.ok("conversation.accept", conversation=id)
        assert state_of(await a.event("presence")) == (ben["user"], "online")
        await b.send({"op": "typing", "conversation": id, "kind": "text"})
        assert (await a.event("typing"))["user"] == ben["user"]
        await put(installation, ben, f"/v1/users/{ada['user']}/block")
        assert state_of(await a.event("presence")) == (ben["user"], "offline")
        await b.send({"op": "typing", "conversation": id, "kind": "text"})
        refused = await a.err("message.send", conversation=id, cid="b" * 22, text="still there?")
        assert refused["code"] == "forbidden"
        await put(installation, ben, f"/v1/users/{ada['user']}/block", "DELETE")
        await a.ok("message.send", conversation=id, cid="c" * 22, text="and now?")
        while (event := await a.event())["ev"] != "message" or event["text"] != "and now?":
            assert event["ev"] != "typing"
