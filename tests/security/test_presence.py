"""Who may not see somebody learns nothing of them from presence, neither by the bytes of an answer nor by an event; and
what makes no sense is refused and changes nothing (docs/protocol.md §5).
"""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.security.raw import BINARY, TEXT, Raw, greeted, plain
from tests.security.test_pressure import open_conversation
from tests.security.watch import Person, Watched, request

Deed = Callable[[Watched, Person, Person], Coroutine[Any, Any, None]]


async def _put(node: Watched, who: Person, *paths: str) -> None:
    async with plain(node.port) as peer:
        for path in paths:
            status, answer = await request(peer, "PUT", path, token=who["access_token"])
            assert status == 200, answer


async def befriend(node: Watched, a: Person, b: Person) -> None:
    await _put(node, a, f"/v1/users/{b['user']}/follow")
    await _put(node, b, f"/v1/users/{a['user']}/follow")


async def nothing(node: Watched, me: Person, other: Person) -> None:
    """They do not know each other."""


async def one_follows(node: Watched, me: Person, other: Person) -> None:
    await _put(node, me, f"/v1/users/{other['user']}/follow")


async def i_block(node: Watched, me: Person, other: Person) -> None:
    await befriend(node, me, other)
    await _put(node, me, f"/v1/users/{other['user']}/block")


async def they_block(node: Watched, me: Person, other: Person) -> None:
    await i_block(node, other, me)


async def they_hide(node: Watched, me: Person, other: Person) -> None:
    await befriend(node, me, other)
    async with greeted(node.port, other["access_token"], device="hiding") as peer:
        assert "ok" in await peer.ask("presence.set", 2, visible=False)


async def they_request(node: Watched, me: Person, other: Person) -> None:
    """They opened a conversation, which was not accepted."""
    async with greeted(node.port, other["access_token"], device="asking") as peer:
        await open_conversation(peer, me["user"])


UNSEEN: dict[str, Deed] = {
    "a stranger": nothing,
    "one whom I follow": one_follows,
    "one whom I block": i_block,
    "one who blocks me": they_block,
    "one who hides": they_hide,
    "one who waits for me to accept": they_request,
}
BAD: dict[str, dict[str, Any]] = {
    "201 people": {"users": ["1"] * 201},
    "nobody said": {},
    "people who are a text": {"users": "1"},
    "people who are null": {"users": None},
    "somebody who is no id": {"users": ["1 or true"]},
    "somebody who is a number": {"users": [1]},
    "a channel's wildcard": {"users": ["*"]},
    "a conversation that is no id": {"users": [], "conversation": "tidings:presence"},
    "a conversation that is null": {"users": [], "conversation": None},
}


async def known(peer: Raw) -> None:
    """Return when the node can tell how people stand."""
    while (await watch(peer, 900, "1"))["users"][0]["state"] == "unknown":
        continue


async def watch(peer: Raw, id: int, *users: str, **more: Any) -> Any:
    return (await peer.ask("presence.watch", id, users=list(users), **more))["ok"]


async def answer_of(peer: Raw, user: str) -> bytes:
    """The whole answer to a watch of somebody, but for their id."""
    await peer.say({"op": "presence.watch", "id": 7, "users": [user]})
    opcode, payload = await peer.frame()
    assert opcode == (BINARY if peer.binary else TEXT)
    return payload.replace(user.encode(), b"?" * len(user))


async def told_until(peer: Raw, user: str, state: str) -> list[Any]:
    """What is told before this of this person."""
    told = []
    while (event := await peer.receive()).get("user") != user or event["state"] != state:
        told.append(event)
    return told


async def come_and_go(node: Watched, person: Person) -> None:
    """All that others might be told: in the foreground, with a chat on screen, in the background, gone."""
    async with greeted(node.port, person["access_token"]) as peer:
        await watch(peer, 2, conversation="7")
        assert "ok" in await peer.ask("background", 3, on=True)
        assert "ok" in await peer.ask("background", 4, on=False)


@pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
@pytest.mark.parametrize("deed", UNSEEN.values(), ids=UNSEEN)
async def test_who_may_not_be_seen_is_answered_to_the_byte_like_nobody(node: Watched, deed: Deed, binary: bool) -> None:
    ada, other = node.person(), node.person()
    absent = str(int(other["user"]) ^ 1 << 5)
    await deed(node, ada, other)
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"], binary=binary) as mine,
        greeted(node.port, other["access_token"]),
    ):
        await known(mine)
        assert await answer_of(mine, other["user"]) == await answer_of(mine, absent)


@pytest.mark.parametrize("deed", UNSEEN.values(), ids=UNSEEN)
async def test_whatever_who_may_not_be_seen_does_is_told_to_nobody(node: Watched, deed: Deed) -> None:
    ada, friend, other = node.person(), node.person(), node.person()
    await befriend(node, ada, friend)
    await deed(node, ada, other)
    async with node.attacked(logs=0), greeted(node.port, ada["access_token"]) as mine:
        await known(mine)
        await watch(mine, 2, other["user"], friend["user"])
        await come_and_go(node, other)
        async with greeted(node.port, friend["access_token"]):
            assert await told_until(mine, friend["user"], "online") == []


async def test_a_block_and_hiding_tell_the_same_as_a_friend_who_leaves(node: Watched) -> None:
    ada, blocks, hides = node.person(), node.person(), node.person()
    for friend in (blocks, hides):
        await befriend(node, ada, friend)
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as mine,
        greeted(node.port, blocks["access_token"]),
        greeted(node.port, hides["access_token"]) as theirs,
    ):
        await known(mine)
        seen = await watch(mine, 2, blocks["user"], hides["user"])
        assert [person["state"] for person in seen["users"]] == ["online"] * 2
        await _put(node, blocks, f"/v1/users/{ada['user']}/block")
        assert await mine.receive() == {"ev": "presence", "user": blocks["user"], "state": "offline"}
        assert "ok" in await theirs.ask("presence.set", 2, visible=False)
        assert await mine.receive() == {"ev": "presence", "user": hides["user"], "state": "offline"}


async def test_who_says_to_look_at_a_foreign_conversation_is_told_of_to_nobody_there(node: Watched) -> None:
    ada, ben, eve = node.person(), node.person(), node.person()
    await befriend(node, ada, eve)
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as mine,
        greeted(node.port, eve["access_token"]) as hers,
    ):
        await known(mine)
        foreign = await open_conversation(mine, ben["user"])
        await watch(mine, 2, eve["user"], conversation=foreign)
        answer = await watch(hers, 2, ada["user"], conversation=foreign)
        assert answer == await watch(hers, 3, ada["user"], conversation=str(int(foreign) ^ 1 << 5))
        assert answer == {"users": [{"user": ada["user"], "state": "online"}]}
        await watch(hers, 4, conversation=foreign)
        assert "ok" in await hers.ask("background", 5, on=True)
        assert await told_until(mine, eve["user"], "idle") == []
        assert (await watch(mine, 3, eve["user"]))["users"][0].keys() == {"user", "state", "last_active_at"}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD)
async def test_a_watch_that_makes_no_sense_is_refused_and_the_last_one_stands(
    node: Watched, fields: dict[str, Any]
) -> None:
    ada, friend = node.person(), node.person()
    await befriend(node, ada, friend)
    async with node.attacked(logs=0), greeted(node.port, ada["access_token"]) as mine:
        await known(mine)
        await watch(mine, 2, friend["user"])
        assert (await mine.ask("presence.watch", 3, **fields))["err"]["code"] == "bad_request"
        for visible in ("false", 0, None):
            assert (await mine.ask("presence.set", 4, visible=visible))["err"]["code"] == "bad_request"
        async with greeted(node.port, friend["access_token"]):
            assert await told_until(mine, friend["user"], "online") == []
