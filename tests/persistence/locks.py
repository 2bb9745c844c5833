"""The barrier of tests in which statements wait for each other."""

import asyncio

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from persistence.pool import Pool

WITHIN_S = 10.0


async def until_waiting(asked: "Pool | PoolConnectionProxy[asyncpg.Record]", count: int = 1) -> None:
    """Return when so many statements wait for a lock. Raises TimeoutError."""
    async with asyncio.timeout(WITHIN_S):
        while await asked.fetchval("select count(*) from pg_locks where not granted") < count:
            pass
