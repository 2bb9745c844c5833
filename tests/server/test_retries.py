"""A request with a cid may be sent again for ever: the same place and `dup`; for another request: `id_reused`."""

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import WebSocketException

from tests.server.running import Installation
from tests.server.wire import Map, session

Person = dict[str, str]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that may be broken: it heals."""
    running = Installation(tmp_path_factory.mktemp("retries")).start()
    yield running
    running.stop()


AGAIN = ("unavailable", "unknown_outcome", "internal")


async def _ask(installation: Installation, person: Person, op: str, **fields: Any) -> Map:
    """On a connection of its own, as a client that comes back would: what is not final it asks again (§2)."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with session(installation.socket_url, person["access_token"], snapshot=False) as (wire, _):
                    reply = await wire.ask(op, **fields)
                    if "ok" in reply or reply["err"]["code"] not in AGAIN:
                        return reply
            except (OSError, WebSocketException):
                await asyncio.sleep(0)


async def _crash(installation: Installation, person: Person) -> None:
    installation.kill_node()


async def _crash_postgres(installation: Installation, person: Person) -> None:
    installation.kill_postgres()


async def _renew(installation: Installation, person: Person) -> None:
    """The login is revoked, which ends its token everywhere, and the person signs in anew."""
    async with session(installation.socket_url, person["access_token"], device="other") as (wire, _):
        await wire.until_synced()
        request = urllib.request.Request(
            f"{installation.url}/v1/logins/current",
            method="DELETE",
            headers={"Authorization": f"Bearer {person['access_token']}"},
        )
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
        assert await wire.closed() == (4304, {"code": "revoked"})
    fresh = await asyncio.to_thread(installation.mint, 1, "retry_renew")
    assert fresh[0]["user"] == person["user"]
    person["access_token"] = fresh[0]["access_token"]


async def _nothing(installation: Installation, person: Person) -> None:
    pass


@pytest.mark.parametrize("meanwhile", [_nothing, _crash, _crash_postgres, _renew], ids=lambda step: step.__name__)
async def test_a_retry_has_the_first_result_whatever_happened_meanwhile(
    installation: Installation, meanwhile: Callable[[Installation, Person], Awaitable[None]]
) -> None:
    ada, ben = installation.mint(2, f"retry{meanwhile.__name__}")
    opened = await _ask(installation, ada, "conversation.open", user=ben["user"])
    conversation = opened["ok"]["conversation"]["id"]
    send = {"conversation": conversation, "cid": "c" * 22, "text": "only once"}
    create = {"cid": "g" * 22, "members": [ben["user"]], "title": "two of us"}
    sent = (await _ask(installation, ada, "message.send", **send))["ok"]
    created = (await _ask(installation, ada, "conversation.create", **create))["ok"]
    for number in range(3):
        follow = {"conversation": conversation, "cid": f"follow {number}", "text": "and then"}
        assert (await _ask(installation, ben, "message.send", **follow))["ok"]["c"] == 2 + number

    await meanwhile(installation, ada)

    assert (await _ask(installation, ada, "message.send", **send))["ok"] == {**sent, "dup": True}
    again = (await _ask(installation, ada, "conversation.create", **create))["ok"]
    assert again["dup"] is True
    assert again["conversation"]["id"] == created["conversation"]["id"]
    other = await _ask(installation, ada, "message.send", **{**send, "text": "something else"})
    assert other["err"]["code"] == "id_reused"
    other = await _ask(installation, ada, "conversation.create", **{**create, "title": "another"})
    assert other["err"]["code"] == "id_reused"
    history = (await _ask(installation, ben, "message.history", conversation=conversation))["ok"]
    assert [event["cid"] for event in history["events"]] == ["c" * 22, "follow 0", "follow 1", "follow 2"]
