"""Nodes' parts in the outbox on a real Postgres and a real NATS, and a consumer whose effects can be counted."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from persistence.outbox.contract import Event
from persistence.outbox.postgres import PostgresOutbox
from persistence.pool import Pool, fetch
from server.outbox.outbox import Outbox

TOPIC, CONSUMER = "activity", "notifications"


class Effects:
    """A consumer's own rows: one for each event, however often it is handled. `given` counts how often that is.

    `before` is awaited in each handling, when its effects are written and nobody has been told.
    """

    def __init__(self, pool: Pool) -> None:
        self.given: Counter[int] = Counter()
        self.told: Callable[[Sequence[Event]], Awaitable[None]] | None = None
        self._pool = pool

    async def handle(self, events: Sequence[Event]) -> None:
        self.given.update(event.id for event in events)
        if any(event.body == b"poison" for event in events):
            raise ValueError("poison")
        statement = "insert into effect select * from unnest($1::bigint[], $2::bytea[]) on conflict do nothing"
        await fetch(self._pool, 2.0, statement, [event.id for event in events], [event.body for event in events])
        if self.told:
            await self.told(events)

    async def bodies(self) -> list[bytes]:
        """Of all events that had their effect, in the order of their ids."""
        return [row["body"] for row in await self._pool.fetch("select body from effect order by id")]


class Ground:
    """A database with its outbox; `pool` is what the nodes share."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.store = PostgresOutbox(pool)
        self.effects = Effects(pool)
        self.hastened = asyncio.Event()

    async def add(self, *bodies: bytes) -> None:
        await self.store.add(TOPIC, bodies)

    async def pass_time(self) -> None:
        """Whatever is under way is due."""
        await self.pool.execute("update outbox_message set due_at = statement_timestamp()")

    async def rest(self) -> int:
        """Events that are not handled."""
        (lag,) = await self.store.lag(1_000_000)
        return lag.waiting + lag.under_way

    async def finished(self, within_s: float = 15.0) -> None:
        """Return when every event is handled."""
        async with asyncio.timeout(within_s):
            while await self.rest():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def node(self, url: str, name: str = "a") -> AsyncIterator[Outbox]:
        """A node that relays and consumes until it is left, as cruelly as by a crash."""
        outbox = Outbox(self.store, {CONSUMER: (TOPIC, self.effects.handle)}, url, name, self.hastened)
        tasks = [asyncio.create_task(work) for work in outbox.works()]
        try:
            yield outbox
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(ended, asyncio.CancelledError | None), ended
