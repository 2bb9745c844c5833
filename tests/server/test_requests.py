"""Requests and blocks through processes as an operator starts them: what the two sides see, and what they do not."""

import tomllib
from typing import Any

from persistence.pool import open_pool
from tests.server.running import Installation
from tests.server.wire import Wire, session

People = list[dict[str, str]]


async def listed(wire: Wire, folder: str) -> list[str]:
    return [one["id"] for one in (await wire.ok("conversation.list", folder=folder))["items"]]


async def marks(wire: Wire, conversation: str, of: str) -> dict[str, Any]:
    members = (await wire.ok("conversation.get", conversation=conversation))["members"]
    return {name: member[name] for member in members if member["user"] == of for name in member.keys() & {"read_c"}}


async def test_a_request_is_shown_without_receipts_or_typing_until_it_is_accepted(
    installation: Installation, people: People
) -> None:
    ada, ben = people[0], people[1]
    async with (
        session(installation.socket_url, ada["access_token"], snapshot=False) as (a, _),
        session(installation.socket_url, ben["access_token"], snapshot=False) as (b, _),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        assert await listed(b, "requests") == []
        await a.send({"op": "typing", "conversation": id, "kind": "text"})
        await a.ok("message.send", conversation=id, cid="first", text="do you know me?")
        assert [(await b.event())["ev"] for _ in range(2)] == ["synced", "message"]
        assert (await listed(b, "requests"), await listed(b, "inbox")) == ([id], [])
        await b.ok("message.read", conversation=id, c=1)
        assert await marks(a, id, ben["user"]) == {}
        assert await b.ok("conversation.accept", conversation=id) == {}
        assert (await b.event("settings"))["folder"] == "inbox"
        receipt = await a.event("receipt")
        assert (receipt["user"], receipt["read_c"]) == (ben["user"], 1)
        assert (await listed(b, "requests"), await listed(b, "inbox")) == ([], [id])
        assert await marks(a, id, ben["user"]) == {"read_c": 1}
        assert (await b.err("conversation.decline", conversation=id))["code"] == "conflict_state"


async def test_what_was_declined_stays_away_until_it_is_answered(installation: Installation, people: People) -> None:
    ada, ben = people[2], people[3]
    async with (
        session(installation.socket_url, ada["access_token"], snapshot=False) as (a, _),
        session(installation.socket_url, ben["access_token"], snapshot=False) as (b, _),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await a.ok("message.send", conversation=id, cid="first", text="hello?")
        await b.event("message")
        before = await a.ok("conversation.get", conversation=id)
        assert await b.ok("conversation.decline", conversation=id) == {}
        assert (await b.event("settings"))["folder"] == "declined"
        assert await a.ok("conversation.get", conversation=id) == before
        await a.ok("message.send", conversation=id, cid="second", text="hello??")
        assert [await listed(b, folder) for folder in ("inbox", "requests", "archive")] == [[], [], []]
        assert (await b.ok("conversation.get", conversation=id))["folder"] == "declined"
        await b.ok("message.send", conversation=id, cid="answer", text="who are you?")
        assert (await b.event())["folder"] == "inbox"
        assert (await b.event("message"))["c"] == 3
        assert await listed(b, "inbox") == [id]


async def test_two_of_whom_one_blocks_the_other_find_and_reach_each_other_no_more(
    installation: Installation, people: People
) -> None:
    ada, ben, eve = people[4], people[5], people[6]
    settings = tomllib.loads((installation.data / "tidings.toml").read_text())
    nobody = str(int(ben["user"]) + (1 << 40))
    async with (
        open_pool(settings["postgres"]["url"], 1) as pool,
        session(installation.socket_url, ada["access_token"], snapshot=False) as (a, _),
        session(installation.socket_url, ben["access_token"], snapshot=False) as (b, _),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        sent = await a.ok("message.send", conversation=id, cid="first", text="hello")
        await b.ok("conversation.accept", conversation=id)
        block = "insert into relation (user_id, kind, target) values ($1, 'block', $2)"
        await pool.execute(block, int(ben["user"]), int(ada["user"]))
        await pool.execute("update conversation set fence = fence + 1 where id = $1", int(id))
        for wire, other in ((a, ben), (b, ada)):
            unknown = await wire.err("conversation.open", user=nobody)
            assert await wire.err("conversation.open", user=other["user"]) == unknown
            members = [eve["user"], other["user"]]
            assert await wire.err("conversation.create", cid=other["user"], members=members) == unknown
            refused = await wire.err("message.send", conversation=id, cid=other["user"], text="still there?")
            assert refused["code"] == "forbidden"
        again = await a.ok("message.send", conversation=id, cid="first", text="hello")
        assert again == {**sent, "dup": True}
        await pool.execute("delete from relation where user_id = $1", int(ben["user"]))
        await pool.execute("update conversation set fence = fence + 1 where id = $1", int(id))
        await a.ok("message.send", conversation=id, cid="second", text="friends?")
