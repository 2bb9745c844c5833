"""The connections of one life of a node to Postgres and Redis."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct
from redis.asyncio import Redis

from config.settings import Settings
from persistence.durability import check_durability
from persistence.pool import SCANNING, Pool, open_pool
from persistence.redis import open_redis
from server.reach import reaching_postgres

LANES = 2
"""Connections of the committer."""


class Pools(Struct, frozen=True):
    """Connections for questions, for leases, for the outbox and for scans of the log, and one for each lane.

    `redis` is None when none is named.
    """

    questions: Pool
    nodes: Pool
    outbox: Pool
    scans: Pool
    lanes: tuple[Pool, ...]
    redis: "Redis | None"


@asynccontextmanager
async def connected(settings: Settings, incarnation: str) -> AsyncIterator[Pools]:
    """All connections of one life, under its name: when it is declared dead, they are ended."""
    url, name = str(settings.postgres.url), f"tidings {incarnation}"
    async with AsyncExitStack() as stack:
        sizes = [settings.postgres.connections - LANES - 5, 2, 2, *[1] * LANES]
        with reaching_postgres():
            questions, nodes, outbox, *lanes = [
                await stack.enter_async_context(open_pool(url, size, name)) for size in sizes
            ]
            scans = await stack.enter_async_context(open_pool(url, 1, name, SCANNING))
            async with questions.acquire() as connection:
                await check_durability(connection)
        named = str(settings.redis.url)
        redis = await stack.enter_async_context(open_redis(named)) if named else None
        yield Pools(questions, nodes, outbox, scans, tuple(lanes), redis)
