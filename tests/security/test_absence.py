"""What a caller may not see is answered like what does not exist (docs/protocol.md §2): in the same words, and after as
many questions to the store, whose rows tests/persistence/test_foreign_conversations.py counts. No clock is looked at.
"""

from typing import Any

import pytest

from persistence.conversations.database import Point
from tests.security.raw import Raw, greeted
from tests.security.test_pressure import open_conversation, talk
from tests.security.timed import timed
from tests.security.watch import Watched

OPS: dict[str, dict[str, Any]] = {
    "conversation.get": {},
    "conversation.receipts": {},
    "conversation.settings": {"pinned": True},
    "message.send": {"cid": "c", "text": "secret"},
    "message.history": {},
    "message.history, after": {"after": 0},
    "message.history, before": {"before": 2},
    "message.read": {"c": 1},
    "message.send, after another": {"cid": "c", "text": "secret", "after": "b"},
    "message.send, in reply": {"cid": "c", "text": "secret", "reply_to": 1},
}


class Statements:
    """Counts what is asked of the store."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, statement: str, point: Point) -> None:
        self.count += point == "before"


async def _ask(peer: Raw, named: str, conversation: str, id: int) -> Any:
    reply = await peer.ask(named.partition(",")[0], id, conversation=conversation, **OPS[named])
    return reply["err"]


@pytest.mark.parametrize("named", OPS)
async def test_a_foreign_conversation_is_answered_like_one_that_does_not_exist(node: Watched, named: str) -> None:
    ada, ben, eve = node.person(), node.person(), node.person()
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as a,
        greeted(node.port, eve["access_token"]) as e,
    ):
        foreign = await open_conversation(a, ben["user"])
        await talk(a, foreign, 2)
        absent = str(int(foreign) ^ 1 << 5)
        assert await _ask(e, named, foreign, 2) == await _ask(e, named, absent, 3)
        history = await a.ask("message.history", 900, conversation=foreign)
        assert [event["from"] for event in history["ok"]["events"]] == [ada["user"]] * 2


@pytest.mark.parametrize("messages", [0, 2], ids=["at rest", "live"])
@pytest.mark.parametrize("named", OPS)
async def test_a_foreign_conversation_takes_as_many_statements_as_one_that_does_not_exist(
    named: str, messages: int
) -> None:
    statements = Statements()
    async with timed(statements) as node:
        (_, ada), (ben, _), (_, eve) = [await node.sign_up(name) for name in ("ada", "ben", "eve")]
        async with greeted(node.port, ada) as a, greeted(node.port, eve) as e:
            foreign = await open_conversation(a, ben)
            await talk(a, foreign, messages)
            asked: list[int] = []
            for id, conversation in enumerate((foreign, str(int(foreign) ^ 1 << 5)), 2):
                before = statements.count
                assert (await _ask(e, named, conversation, id))["code"] == "not_found"
                asked.append(statements.count - before)
            assert asked == [1, 1]


async def test_typing_in_a_foreign_conversation_is_told_to_nobody_and_answered_by_nothing(node: Watched) -> None:
    ada, ben, eve = node.person(), node.person(), node.person()
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as a,
        greeted(node.port, eve["access_token"]) as e,
    ):
        foreign = await open_conversation(a, ben["user"])
        await e.say({"op": "typing", "conversation": foreign, "kind": "text"})
        assert "ok" in await e.ask("conversation.list", 2)
        await talk(a, foreign, 1)
        assert (await a.receive())["ev"] == "message"


async def test_sync_tells_that_a_foreign_and_an_absent_conversation_are_gone_alike(node: Watched) -> None:
    ada, ben, eve = node.person(), node.person(), node.person()
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as a,
        greeted(node.port, eve["access_token"]) as e,
    ):
        foreign = await open_conversation(a, ben["user"])
        await talk(a, foreign, 2)
        absent = str(int(foreign) ^ 1 << 5)
        synced = await e.ask("sync", 2, heads={foreign: 1, absent: 1}, since=0)
        gone = {item["id"]: item for item in synced["ok"]["conversations"]}
        assert gone == {foreign: {"id": foreign, "gone": True}, absent: {"id": absent, "gone": True}}


async def test_an_ack_for_a_foreign_conversation_marks_nothing_as_delivered(node: Watched) -> None:
    ada, ben, eve = node.person(), node.person(), node.person()
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as a,
        greeted(node.port, eve["access_token"]) as e,
    ):
        foreign = await open_conversation(a, ben["user"])
        await talk(a, foreign, 2)
        await e.say({"op": "ack", "epoch": "x", "u": 0, "heads": {foreign: 2}})
        assert "ok" in await e.ask("conversation.list", 2)
        members = (await a.ask("conversation.receipts", 3, conversation=foreign))["ok"]["members"]
        assert all(member.get("delivered_c", 0) == 0 for member in members if member["user"] != ada["user"])


async def test_opening_a_conversation_with_somebody_who_does_not_exist_makes_none(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as peer:
        assert (await peer.ask("conversation.open", 2, user="7"))["err"]["code"] == "not_found"
        created = await peer.ask("conversation.create", 3, cid="c" * 20, members=["7"])
        assert created["err"]["code"] == "not_found"
        assert (await peer.ask("conversation.list", 4))["ok"] == {"items": []}
