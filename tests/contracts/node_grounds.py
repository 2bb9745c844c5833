"""The node stores under test, and a hand on what lies below: time that passes, rows and statements of others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, Self

import asyncpg
import msgspec

from persistence.conversations.contract import Activated
from persistence.conversations.database import ConnectionLost, Database, Point, Transaction
from persistence.conversations.memory import MemoryConversations
from persistence.conversations.postgres import PostgresConversations
from persistence.nodes.contract import NodeStore
from persistence.nodes.memory import Leases, MemoryNodes
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from protocol.ids import Millis, UserId
from tests.contracts.grounds import START, opened

ME, OTHER = UserId("1024"), UserId("2048")

Writing = asyncio.Task[Activated | None]


class NodeGround(Protocol):
    """`store` is what the tests judge."""

    @property
    def store(self) -> NodeStore: ...

    async def now(self) -> Millis:
        """The database's clock."""

    async def pass_ms(self, ms: int) -> None:
        """Time passes in which nobody renews."""

    async def silence(self, name: str, ms: int) -> None:
        """Nothing has come from this one for so long."""

    def held(self, name: str) -> AbstractAsyncContextManager[None]:
        """Somebody has the lease of this name locked."""

    def writing(self, incarnation: str) -> AbstractAsyncContextManager[Writing]:
        """A life writes: its statement runs, and waits for a row until the end of this context."""

    async def writes(self) -> int:
        """How many of those have been committed."""


class _Sent:
    """The `Fault` of one life in memory: tells when its statement runs, and strikes once its connections are ended."""

    def __init__(self) -> None:
        self.sent = asyncio.Event()
        self.terminated = False

    async def __call__(self, statement: str, point: Point) -> None:
        if point == "sent":
            self.sent.set()
        if self.terminated:
            raise ConnectionLost(f"{statement}: {point}")


class MemoryNodeGround:
    def __init__(self) -> None:
        self._time = START
        self._database = Database(lambda: self._time)
        self._leases = Leases()
        self._lives: dict[str, _Sent] = {}
        self.store = MemoryNodes(self._database, self._leases, self._terminate)

    def _terminate(self, incarnation: str) -> None:
        if life := self._lives.get(incarnation):
            life.terminated = True

    async def now(self) -> Millis:
        return self._time

    async def pass_ms(self, ms: int) -> None:
        self._time = Millis(self._time + ms)

    async def silence(self, name: str, ms: int) -> None:
        lease = self._leases.rows[name]
        self._leases.put(msgspec.structs.replace(lease, renewed_at=Millis(self._time - ms)), self._time)

    def held(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._locked(("node", name))

    @asynccontextmanager
    async def _locked(self, row: object) -> AsyncIterator[None]:
        held, enough = asyncio.Event(), asyncio.Event()

        async def statement(transaction: Transaction) -> None:
            await transaction.lock([row])
            held.set()
            await enough.wait()

        holder = asyncio.create_task(self._database.run("hold", statement))
        await held.wait()
        try:
            yield
        finally:
            enough.set()
            await holder

    @asynccontextmanager
    async def writing(self, incarnation: str) -> AsyncIterator[Writing]:
        life = self._lives[incarnation] = _Sent()
        id = await opened(MemoryConversations(self._database), ME, OTHER)
        async with self._locked(id):
            store = MemoryConversations(self._database, life)
            writing = asyncio.create_task(store.activate(id, [ME], [], None))
            await life.sent.wait()
            yield writing
        await asyncio.wait([writing])

    async def writes(self) -> int:
        return sum(head.fence for head in self._database.tables.heads.values())


class PostgresNodeGround:
    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._pool = await self._stack.enter_async_context(open_pool(self._url, 2))
        await self._pool.execute("delete from node")
        await self._pool.execute("update placement set version = 0, grace_until = 'epoch'")
        await self._pool.execute("update conversation set fence = 0")
        self.store = PostgresNodes(self._pool)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def now(self) -> Millis:
        now = "select floor(extract(epoch from statement_timestamp()) * 1000)::bigint"
        return Millis(await self._pool.fetchval(now))

    async def pass_ms(self, ms: int) -> None:
        await self._pool.execute("update node set renewed_at = renewed_at - $1 * interval '1 ms'", ms)
        await self._pool.execute("update placement set grace_until = grace_until - $1 * interval '1 ms'", ms)

    async def silence(self, name: str, ms: int) -> None:
        silence = "update node set renewed_at = statement_timestamp() - $2 * interval '1 ms' where name = $1"
        await self._pool.execute(silence, name, ms)

    def held(self, name: str) -> AbstractAsyncContextManager[None]:
        return self._locked("select from node where name = $1 for update", name)

    @asynccontextmanager
    async def _locked(self, statement: str, row: object) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self._url)
        try:
            async with connection.transaction():
                await connection.execute(statement, row)
                yield
        finally:
            await connection.close()

    @asynccontextmanager
    async def writing(self, incarnation: str) -> AsyncIterator[Writing]:
        id = await opened(PostgresConversations(self._pool), ME, OTHER)
        async with open_pool(self._url, 1, f"tidings {incarnation}") as pool:
            async with self._locked("select from conversation where id = $1 for update", int(id)):
                writing = asyncio.create_task(PostgresConversations(pool).activate(id, [ME], [], None))
                await self._waits(incarnation)
                yield writing
            await asyncio.wait([writing])

    async def _waits(self, incarnation: str) -> None:
        """Look until a statement of this life waits for a lock."""
        waiting = (
            "select exists (select from pg_stat_activity where application_name = $1 and wait_event_type = 'Lock')"
        )
        while not await self._pool.fetchval(waiting, f"tidings {incarnation}"):
            pass

    async def writes(self) -> int:
        return int(await self._pool.fetchval("select coalesce(sum(fence), 0) from conversation"))
