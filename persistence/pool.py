"""Connections to Postgres, for everything that asks it while people wait: how they plan, and when they give up.

Statements are prepared once per connection and planned once, whatever the tables hold. A generic plan made while the
tables are small would read them whole, and would be kept; `SESSION` leaves it only the indexes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CONNECT_S = 3.0
"""How long a new connection may take."""
CLOSE_S = 2.0
"""How long statements may still take when the pool closes."""

UNANSWERED = (
    OSError,
    asyncpg.InterfaceError,
    # What asyncpg raises for a statement on a connection whose end the server has announced but not carried out.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.ObjectNotInPrerequisiteStateError,
    asyncpg.exceptions.TransactionRollbackError,
)
"""Postgres is away, was too slow, or gave up."""

SESSION = {
    "application_name": "tidings",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Joins in the order written: the membership comes first, so that what is foreign costs what is absent costs.
    "join_collapse_limit": "1",
    "jit": "off",
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "default_transaction_isolation": "read committed",
}


@asynccontextmanager
async def open_pool(url: str, connections: int) -> AsyncIterator[Pool]:
    """A pool of up to that many. Statements that take longer than `CLOSE_S` after the end are cut off.

    No statement changes its session, so a connection goes back without the round trip that would reset it; should it
    be in a transaction still, asyncpg rolls that back first.
    """

    async def keep(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        pass

    pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections,
        max_queries=2**62,
        timeout=CONNECT_S,
        max_inactive_connection_lifetime=0,
        max_cached_statement_lifetime=0,
        reset=keep,
        server_settings=SESSION,
    )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()
