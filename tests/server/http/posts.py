"""People on a stack whose posts, people and graph are in a real Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from persistence.graph.postgres import PostgresGraph
from persistence.people.postgres import PostgresPeople
from persistence.pool import Pool, open_pool
from persistence.posts.making import settle
from protocol.activity import Activity
from protocol.media import MediaId
from protocol.posts import PostMoved
from tests.pictures import brought
from tests.server.http.stack import Client, Person, Stack, posting, sign_up


class Gallery:
    """Pictures without a pipeline, and what the outbox holds."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def picture(self, owner: Person, state: str = "ready", reason: str | None = None) -> str:
        """A picture of theirs; its id."""
        return await brought(self.pool, owner.user, state, reason)

    async def settle(self, media: str, state: str = "ready", reason: str | None = None) -> None:
        """Its pipeline is done, and its event was handled."""
        await self.pool.execute("update media set state = $2, reason = $3 where id = $1", int(media), state, reason)
        await settle(self.pool, [MediaId(media)])

    async def activities(self) -> list[tuple[str, str, str, bool]]:
        """Kind, actor, recipient and whether it was undone, of all so far."""
        told = [msgspec.msgpack.decode(body, type=Activity) for body in await self._bodies("activity")]
        return [(one.kind, one.actor, one.recipient, one.undone) for one in told]

    async def moves(self) -> list[tuple[str, str]]:
        """Post and change, of all so far."""
        told = [msgspec.msgpack.decode(body, type=PostMoved) for body in await self._bodies("post")]
        return [(one.post, one.change) for one in told]

    async def posted(self, author: Person) -> int:
        """How many posts of theirs are counted."""
        counted = await self.pool.fetchval(
            "select sum(change) from tally_change where thing = $1 and kind = 'posts'", int(author.user)
        )
        return int(counted or 0)

    async def _bodies(self, topic: str) -> list[bytes]:
        return [row[0] for row in await self.pool.fetch("select body from outbox where topic = $1 order by id", topic)]


@asynccontextmanager
async def gallery(url: str) -> AsyncIterator[tuple[Client, Gallery]]:
    """A stack whose data is in that database."""
    async with open_pool(url, 4) as pool:
        stack = Stack()
        stack.change("accounts", people=PostgresPeople(pool))
        stack.change("relations", graph=PostgresGraph(pool))
        stack.change("contents", posts=posting(pool))
        async with stack.served() as client:
            yield client, Gallery(pool)


async def people(client: Client, *names: str) -> list[Person]:
    return [await sign_up(client, name) for name in names]
