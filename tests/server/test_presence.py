"""Presence over real sockets, on one node: who sees whom, and what nobody may learn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from config.settings import load
from tests.server.running import Installation
from tests.server.wire import Map, Wire, session

Person = dict[str, str]


class Stage:
    """People with sockets; `sql` does what another part of the server will do."""

    def __init__(self, installation: Installation, stack: AsyncExitStack, database: asyncpg.Connection) -> None:
        self._installation = installation
        self._stack = stack
        self._database = database

    async def enter(self, person: Person, device: str = "phone", **hello: Any) -> Wire:
        url, token = self._installation.socket_url, person["access_token"]
        wire, _ = await self._stack.enter_async_context(session(url, token, device=device, snapshot=False, **hello))
        await wire.until_synced()
        return wire

    async def sql(self, statement: str, *arguments: object) -> None:
        await self._database.execute(statement, *arguments)

    async def friends(self, a: Person, b: Person) -> None:
        """They follow each other."""
        for one, other in ((a, b), (b, a)):
            await self.sql(
                "insert into follow (follower, followee) values ($1, $2)", int(one["user"]), int(other["user"])
            )

    async def block(self, a: Person, b: Person) -> None:
        await self.sql(
            "insert into relation (user_id, kind, target) values ($1, 'block', $2)", int(a["user"]), int(b["user"])
        )


@pytest.fixture
async def stage(installation: Installation) -> AsyncIterator[Stage]:
    database = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
    async with AsyncExitStack() as stack:
        yield Stage(installation, stack, database)
    await database.close()


@pytest.fixture(scope="session")
def crowd(installation: Installation) -> list[Person]:
    return installation.mint(40, "presence")


@pytest.fixture
def two(crowd: list[Person]) -> tuple[Person, Person]:
    return crowd.pop(), crowd.pop()


async def look(wire: Wire, *people: Person, **more: Any) -> list[Map]:
    users: list[Map] = (await wire.ok("presence.watch", users=[person["user"] for person in people], **more))["users"]
    return users


async def known(wire: Wire) -> None:
    """Return when Redis is known to answer."""
    me = [{"user": "1", "state": "unknown"}]
    while me[0]["state"] == "unknown":
        me = (await wire.ok("presence.watch", users=["1"]))["users"]


async def test_friends_see_each_other_come_and_go(stage: Stage, two: tuple[Person, Person]) -> None:
    ada, ben = two
    await stage.friends(ada, ben)
    mine = await stage.enter(ada)
    await known(mine)
    assert await look(mine, ben) == [{"user": ben["user"], "state": "offline"}]
    his = await stage.enter(ben)
    assert await mine.event("presence") == {"ev": "presence", "user": ben["user"], "state": "online"}
    assert await look(his, ada) == [{"user": ada["user"], "state": "online"}]
    await his.ok("background", on=True)
    idle = await mine.event("presence")
    assert (idle["state"], idle["last_active_at"] > 1_700_000_000_000) == ("idle", True)
    await his.ok("background", on=False)
    assert (await mine.event("presence"))["state"] == "online"
    await his.socket.close(1000)
    gone = await mine.event("presence")
    assert gone["state"] == "offline"
    assert await look(mine, ben) == [{key: gone[key] for key in ("user", "state", "last_active_at")}]


async def test_strangers_blocked_and_absent_people_are_told_alike(stage: Stage, crowd: list[Person]) -> None:
    ada, stranger, blocked, blocking = (crowd.pop() for _ in range(4))
    for other in (blocked, blocking):
        await stage.friends(ada, other)
    await stage.block(ada, blocked)
    await stage.block(blocking, ada)
    for person in (stranger, blocked, blocking):
        await stage.enter(person)
    mine = await stage.enter(ada)
    await known(mine)
    nobody = {"user": str(int(ada["user"]) + 1)}
    shown = await look(mine, stranger, blocked, blocking, nobody)
    assert [one.keys() for one in shown] == [{"user", "state"}] * 4
    assert {one["state"] for one in shown} == {"offline"}


async def test_who_hides_vanishes_for_everybody_at_once_and_sees_nobody(
    stage: Stage, two: tuple[Person, Person]
) -> None:
    ada, ben = two
    await stage.friends(ada, ben)
    mine, his = await stage.enter(ada), await stage.enter(ben)
    await known(mine)
    assert (await look(mine, ben))[0]["state"] == "online"
    assert (await look(his, ada))[0]["state"] == "online"
    await his.ok("presence.set", visible=False)
    assert await mine.event("presence") == {"ev": "presence", "user": ben["user"], "state": "offline"}
    assert await his.event("presence") == {"ev": "presence", "user": ada["user"], "state": "offline"}
    answer = await his.ok("presence.watch", users=[ada["user"]])
    assert answer == {"users": [{"user": ada["user"], "state": "offline"}], "visible": False}
    assert await look(mine, ben) == [{"user": ben["user"], "state": "offline"}]
    await his.ok("background", on=True)
    await his.ok("background", on=False)
    await his.ok("presence.set", visible=True)
    assert (await mine.event("presence"))["state"] == "online"


async def test_a_block_that_nobody_told_of_hides_within_seconds(stage: Stage, two: tuple[Person, Person]) -> None:
    ada, ben = two
    await stage.friends(ada, ben)
    mine, _ = await stage.enter(ada), await stage.enter(ben)
    await known(mine)
    assert (await look(mine, ben))[0]["state"] == "online"
    await stage.block(ben, ada)
    assert await mine.event("presence") == {"ev": "presence", "user": ben["user"], "state": "offline"}


async def test_the_conversation_on_screen_is_told_to_its_members_alone(stage: Stage, crowd: list[Person]) -> None:
    ada, ben, cy = crowd.pop(), crowd.pop(), crowd.pop()
    await stage.friends(ada, ben)
    await stage.friends(cy, ben)
    mine, hers = await stage.enter(ada), await stage.enter(cy)
    await known(mine)
    talk = (await mine.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
    await mine.ok("message.send", conversation=talk, cid="q1Zx0c7rTnG4lYw2", text="hi")
    await stage.sql("update member set folder = 'inbox' where conversation = $1", int(talk))
    his = await stage.enter(ben)
    await look(his, conversation=talk)
    assert (await look(mine, ben))[0] == {"user": ben["user"], "state": "online", "conversation": talk}
    assert (await look(hers, ben))[0] == {"user": ben["user"], "state": "online"}
    await look(his)
    assert await mine.event("presence") == {"ev": "presence", "user": ben["user"], "state": "online"}


async def test_a_client_that_asks_for_too_many_is_refused(stage: Stage, two: tuple[Person, Person]) -> None:
    mine = await stage.enter(two[0])
    assert (await mine.err("presence.watch", users=["1"] * 201))["code"] == "bad_request"
    assert len((await mine.ok("presence.watch", users=[str(n) for n in range(1, 201)]))["users"]) == 200


async def test_of_several_devices_the_most_present_counts(stage: Stage, two: tuple[Person, Person]) -> None:
    ada, ben = two
    await stage.friends(ada, ben)
    mine = await stage.enter(ada)
    await known(mine)
    phone, web = await stage.enter(ben), await stage.enter(ben, "web", background=True)
    assert (await look(mine, ben))[0]["state"] == "online"
    await phone.socket.close(1000)
    assert (await mine.event("presence"))["state"] == "idle"
    await asyncio.sleep(0)
    await web.socket.close(1000)
    assert (await mine.event("presence"))["state"] == "offline"
