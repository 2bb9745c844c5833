"""One direct message from frame to frame, through processes as an operator starts them."""

import pytest

from tests.server.running import Installation
from tests.server.wire import session

People = list[dict[str, str]]


@pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
async def test_a_message_is_stored_answered_and_delivered_to_both_members(
    installation: Installation, people: People, binary: bool
) -> None:
    ada, ben = (people[0], people[1]) if binary else (people[2], people[3])
    async with (
        session(installation.socket_url, ada["access_token"], binary=binary) as (a, welcome),
        session(installation.socket_url, ben["access_token"], binary=binary) as (b, _),
    ):
        assert welcome["outcome"] == "fresh"
        assert [event["ev"] for event in await a.until_synced()] == ["snapshot", "synced"]
        await b.until_synced()
        opened = await a.ok("conversation.open", user=ben["user"])
        conversation = opened["conversation"]["id"]
        sent = await a.ok("message.send", conversation=conversation, cid="first of many", text="hello, Ben")
        assert sent["c"] == 1
        for wire in (a, b):
            event = await wire.event("message")
            assert event == {
                "u": 1,
                "ev": "message",
                "conversation": conversation,
                "c": 1,
                "from": ada["user"],
                "cid": "first of many",
                "at": sent["at"],
                "text": "hello, Ben",
            }
        again = await a.ok("message.send", conversation=conversation, cid="first of many", text="hello, Ben")
        assert again == {"c": 1, "at": sent["at"], "dup": True}
        other = await a.err("message.send", conversation=conversation, cid="first of many", text="something else")
        assert other["code"] == "id_reused"


async def test_marks_and_receipts_reach_the_other_member(installation: Installation, people: People) -> None:
    ada, ben = people[4], people[5]
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"]) as (b, welcome),
    ):
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await a.ok("message.send", conversation=conversation, cid="x" * 22, text="seen?")
        await b.ok("conversation.accept", conversation=conversation)
        arrived = await b.event("message")
        await b.send({"op": "ack", "epoch": welcome["epoch"], "u": arrived["u"]})
        delivered = await a.event("receipt")
        assert (delivered["user"], delivered["delivered_c"]) == (ben["user"], 1)
        await b.ok("message.read", conversation=conversation, c=1)
        assert (await b.event("read"))["read_c"] == 1
        assert (await a.event("receipt"))["read_c"] == 1
        members = (await a.ok("conversation.receipts", conversation=conversation))["members"]
        assert {member["user"]: member["read_c"] for member in members} == {ada["user"]: 0, ben["user"]: 1}


async def test_whoever_is_no_member_is_told_that_there_is_no_such_conversation(
    installation: Installation, people: People
) -> None:
    ada, ben, eve = people[6], people[7], people[8]
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, eve["access_token"]) as (e, _),
    ):
        foreign = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        absent = str(int(foreign) ^ 1 << 5)
        for op, fields in (
            ("conversation.get", {}),
            ("conversation.receipts", {}),
            ("conversation.settings", {"pinned": True}),
            ("conversation.accept", {}),
            ("conversation.decline", {}),
            ("message.send", {"cid": "c", "text": "t"}),
            ("message.history", {}),
            ("message.read", {"c": 1}),
        ):
            assert await e.err(op, conversation=foreign, **fields) == await e.err(op, conversation=absent, **fields)


async def test_typing_is_told_to_others_alone_and_is_never_numbered(installation: Installation, people: People) -> None:
    ada, ben = people[9], people[10]
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"]) as (b, _),
    ):
        await a.until_synced()
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await b.ok("conversation.accept", conversation=conversation)
        await a.send({"op": "typing", "conversation": conversation, "kind": "text"})
        assert await b.event("typing") == {
            "ev": "typing",
            "conversation": conversation,
            "c": 0,
            "user": ada["user"],
            "kind": "text",
            "for_ms": 8000,
        }
        await a.ok("message.send", conversation=conversation, cid="t", text="t")
        assert (await a.event())["ev"] == "message"
