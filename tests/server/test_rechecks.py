"""Whoever writes in a conversation learns of a block when its fence is raised, though typing asks nobody."""

import asyncio

import msgspec

from persistence.conversations.memory import MemoryConversations
from protocol.live import Typing
from protocol.requests import Type
from server.requests import Requests
from tests.server.part import Part, with_part


def test_nothing_is_typed_across_a_block_once_its_fence_was_told_of() -> None:
    async def test(part: Part) -> None:
        here = part.at_home(here=True)
        other = type(here)(str(int(here) + 1))
        id = await part.open(here, other)
        store, tables = MemoryConversations(part.database), part.database.tables
        requests = Requests(part.cluster.router.tell, store, None, part.sockets.reply)  # type: ignore[arg-type]
        heard: list[object] = []
        part.sockets.write = lambda audience, body: heard.append(getattr(body, "event", None))  # type: ignore[method-assign]
        part.attach(other)

        async def types() -> list[object]:
            heard.clear()
            requests.typing(here, Type(id, "text"))
            await asyncio.sleep(0.1)
            return [event for event in heard if isinstance(event, Typing)]

        assert await types() == [Typing(id, 0, here, "text")]
        tables.blocks.add((other, here))
        tables.put_head(msgspec.structs.replace(tables.heads[id], fence=tables.heads[id].fence + 1))
        requests.fenced([id])
        await asyncio.sleep(0.1)
        assert await types() == []

    with_part(test)


def test_a_fence_that_was_raised_where_nobody_writes_wakes_nobody() -> None:
    async def test(part: Part) -> None:
        here = part.at_home(here=True)
        id = await part.open(here, type(here)(str(int(here) + 1)))
        requests = Requests(part.cluster.router.tell, part.store, None, part.sockets.reply)  # type: ignore[arg-type]
        requests.fenced([id])
        await asyncio.sleep(0.1)
        assert part.database.tables.heads[id].fence == 0

    with_part(test)
