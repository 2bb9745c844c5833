"""The stores under test, and a hand on what lies below: locks held by others, memberships that ended."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, Self

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from persistence.conversations.contract import Activated, ConversationStore, Unit
from persistence.conversations.database import Database, Transaction
from persistence.conversations.memory import MemoryConversations
from persistence.conversations.postgres import PostgresConversations
from persistence.pool import open_pool
from protocol.codec import settings_of
from protocol.events import MessageSent, ReceiptMoved, SettingsChanged
from protocol.facts import Choice, Chosen, Fact, Marked, Said
from protocol.ids import EPOCH, SHARDS, ConversationId, Millis, UserId, shard_of

START = Millis(EPOCH + 40_000_000_000)


class Users:
    """Ids for one test."""

    def __init__(self, number: int) -> None:
        self._drawn = itertools.count((number << 33) + (number % 8192 << 10) + 1)

    def draw(self) -> UserId:
        return UserId(str(next(self._drawn)))

    def pair(self) -> tuple[UserId, UserId]:
        return self.draw(), self.draw()


def elsewhere(user: UserId, shards: int = 1) -> UserId:
    """Somebody whose home is so many shards further on; of the same test."""
    return UserId(str(int(user) + (shards << 10)))


def shards_of(*ids: UserId | ConversationId) -> bytes:
    """The shards of these, as stores are asked about them."""
    bits = 0
    for id in ids:
        bits |= 1 << shard_of(id)
    return bits.to_bytes(SHARDS // 8, "little")


class Ground(Protocol):
    """`store` is what the tests judge."""

    @property
    def store(self) -> ConversationStore: ...

    def hold(self, id: ConversationId) -> AbstractAsyncContextManager[None]:
        """Somebody else has the conversation's row locked."""

    async def span(self, id: ConversationId, user: UserId, joined_c: int, left_c: int) -> None:
        """Set from where to where a membership reaches."""

    async def age(self, id: ConversationId) -> None:
        """Marks moved there an hour ago, by the database's clock, and whatever was said came an hour earlier."""

    async def follow(self, follower: UserId, followee: UserId, *, requested: bool = False) -> None:
        """An edge of the graph; `requested` is one that was only asked for."""

    async def block(self, user: UserId, target: UserId) -> None:
        """The bare edge: raising fences is the business of whoever draws it."""

    async def unblock(self, user: UserId, target: UserId) -> None: ...


class MemoryGround:
    def __init__(self) -> None:
        self.time = START
        self.database = Database(lambda: self.time)
        self.store = MemoryConversations(self.database)

    @asynccontextmanager
    async def hold(self, id: ConversationId) -> AsyncIterator[None]:
        held, enough = asyncio.Event(), asyncio.Event()

        async def statement(transaction: Transaction) -> None:
            await transaction.lock([id])
            held.set()
            await enough.wait()

        holder = asyncio.create_task(self.database.run("hold", statement))
        await held.wait()
        try:
            yield
        finally:
            enough.set()
            await holder

    async def span(self, id: ConversationId, user: UserId, joined_c: int, left_c: int) -> None:
        tables = self.database.tables
        member = tables.members[id][user]
        tables.put_member(id, msgspec.structs.replace(member, joined_c=joined_c, left_c=left_c))

    async def age(self, id: ConversationId) -> None:
        tables, ago = self.database.tables, Millis(self.time - 3_600_000)
        tables.put_head(msgspec.structs.replace(tables.heads[id], state_at=ago, stored_at=ago))
        for member in tables.members[id].values():
            tables.put_member(id, msgspec.structs.replace(member, state_at=ago))
        rows = tables.events.get(id, [])
        rows[:] = [msgspec.structs.replace(row, stored_at=Millis(row.stored_at - 3_600_000)) for row in rows]

    async def follow(self, follower: UserId, followee: UserId, *, requested: bool = False) -> None:
        if not requested:
            self.database.tables.follows.add((follower, followee))

    async def block(self, user: UserId, target: UserId) -> None:
        self.database.tables.blocks.add((user, target))

    async def unblock(self, user: UserId, target: UserId) -> None:
        self.database.tables.blocks.discard((user, target))


class PostgresGround:
    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._pool = await self._stack.enter_async_context(open_pool(self._url, 4))
        self.store = PostgresConversations(self._pool)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._pool.terminate()
        await self._stack.aclose()

    @asynccontextmanager
    async def hold(self, id: ConversationId) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self._url)
        try:
            async with connection.transaction():
                await connection.execute("select from conversation where id = $1 for no key update", int(id))
                yield
        finally:
            await connection.close()

    async def start_ids(self) -> None:
        """The sequence in ids starts over: ids of one millisecond then go up for the next 1,024."""
        await self._pool.execute("alter sequence id_sequence restart")

    async def age(self, id: ConversationId) -> None:
        await self._pool.execute(
            """update conversation set state_at = statement_timestamp() - interval '1 hour',
                stored_at = statement_timestamp() - interval '1 hour' where id = $1""",
            int(id),
        )
        await self._pool.execute(
            "update member set state_at = statement_timestamp() - interval '1 hour' where conversation = $1", int(id)
        )
        await self._pool.execute(
            "update event set stored_at = stored_at - interval '1 hour' where conversation = $1", int(id)
        )

    async def span(self, id: ConversationId, user: UserId, joined_c: int, left_c: int) -> None:
        await self._pool.execute(
            "update member set joined_c = $3, left_c = $4 where conversation = $1 and user_id = $2",
            int(id),
            int(user),
            joined_c,
            left_c,
        )

    async def follow(self, follower: UserId, followee: UserId, *, requested: bool = False) -> None:
        await self._pool.execute(
            "insert into follow (follower, followee, requested) values ($1, $2, $3) "
            "on conflict (follower, followee) do update set requested = follow.requested and excluded.requested",
            int(follower),
            int(followee),
            requested,
        )

    async def block(self, user: UserId, target: UserId) -> None:
        await self._pool.execute(
            "insert into relation (user_id, kind, target) values ($1, 'block', $2) on conflict do nothing",
            int(user),
            int(target),
        )

    async def unblock(self, user: UserId, target: UserId) -> None:
        await self._pool.execute(
            "delete from relation where user_id = $1 and kind = 'block' and target = $2", int(user), int(target)
        )


async def opened(store: ConversationStore, user: UserId, other: UserId) -> ConversationId:
    """The conversation of two of whom neither blocks the other."""
    id = await store.open(user, other)
    assert id
    return id


async def direct(ground: Ground, user: UserId, other: UserId) -> ConversationId:
    """The conversation of two who follow each other, so that it is a request to neither."""
    await ground.follow(user, other)
    await ground.follow(other, user)
    return await opened(ground.store, user, other)


async def group(ground: Ground, creator: UserId, others: Collection[UserId], cid: str = "group") -> ConversationId:
    """A group of people who all follow its creator."""
    for other in others:
        await ground.follow(other, creator)
    created = await ground.store.create(creator, cid, list(others), None, 0, True)
    assert created
    return created.event.conversation


def said(
    id: ConversationId, c: int, sender: UserId, *, cid: str | None = None, text: str = "hello", digest: int = 0
) -> Said:
    """A message as its conversation's writer decides it."""
    return Said(
        MessageSent(conversation=id, c=c, sender=sender, cid=cid or f"cid {c}", at=Millis(START + c), text=text),
        digest,
    )


def marked(
    id: ConversationId,
    user: UserId,
    delivered_c: int | UnsetType = UNSET,
    read_c: int | UnsetType = UNSET,
    *,
    shown: bool = True,
) -> Marked:
    """A member's marks, seen by the others or not."""
    return Marked(ReceiptMoved(id, user, delivered_c, read_c), shown)


def chosen(user: UserId, settings: SettingsChanged, v: int = 1) -> Chosen:
    """What a member has set for themself, by which choice; of that, others see whether marks are shown."""
    return Chosen(user, Choice(**settings_of(settings), v=v), shown=settings.send_receipts is not UNSET)


def unit(at: Activated, *facts: Fact, last_c: int | None = None) -> Unit:
    """What the holder of this activation has decided."""
    return Unit(at.id, at.fence, at.last_c if last_c is None else last_c, facts)


async def activate(ground: Ground, id: ConversationId, asker: UserId) -> Activated:
    """An activation that has to succeed."""
    activated = await ground.store.activate(id, [asker], [], None)
    assert activated
    return activated


async def talk(ground: Ground, id: ConversationId, sender: UserId, count: int, text: str = "hello") -> None:
    """`count` more messages."""
    at = await activate(ground, id, sender)
    facts = [said(id, at.last_c + n, sender, text=text) for n in range(1, count + 1)]
    assert await ground.store.commit([unit(at, *facts)], wait=True) == ["committed"]
