"""Connections to Postgres, for everything that asks it while people wait: how they plan, and when they give up.

Statements are prepared once per connection and planned once, whatever the tables hold. A generic plan made while the
tables are small would read them whole, and would be kept; `SESSION` leaves it only the indexes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import MappingProxyType
from typing import TypeAlias

import asyncpg

from persistence.faults import UnavailableError

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
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.PostgresSystemError,
)
"""Postgres is away, was too slow, or gave up."""

SESSION = {
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

SCANNING = {
    # Only so can an index be read that knows of pages and not of rows.
    "enable_bitmapscan": "on",
    # A scan is rare and may find little or much: it is planned each time, for tables as large as they are by then.
    "plan_cache_mode": "force_custom_plan",
}
"""Settings of a pool for `ConversationStore.scan` and `count_undelivered`."""

_NOTHING_ELSE: Mapping[str, str] = MappingProxyType({})


def always() -> bool:
    """Nothing stands against it."""
    return True


@asynccontextmanager
async def open_pool(
    url: str, connections: int, name: str = "tidings", settings: Mapping[str, str] = _NOTHING_ELSE
) -> AsyncIterator[Pool]:
    """A pool of up to that many. Statements that take longer than `CLOSE_S` after the end are cut off.

    `name` is what Postgres calls these connections; it begins with "tidings", as what writes the log is known by that.
    With "tidings " and an incarnation they end with that life (`NodeStore.cut_off`). `settings` go before `SESSION`.

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
        server_settings=SESSION | {"application_name": name} | dict(settings),
    )
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CLOSE_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


@asynccontextmanager
async def _asking(
    pool: Pool, within_s: float, may: Callable[[], bool]
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection for what takes at most that time, the wait for it included. Raises `UnavailableError`.

    One that does not answer in time is dropped: to cancel politely may hang. `may` is asked when there is a connection:
    what it forbids then is not said on any that could outlive the reason.
    """
    try:
        async with asyncio.timeout(within_s):
            connection = await pool.acquire()
            try:
                if not may():
                    raise UnavailableError("the lease of this node may have run out")
                yield connection
            except asyncio.CancelledError:
                # What asyncpg says of one that has ended meanwhile must not take the place of the cancellation.
                with suppress(asyncpg.InterfaceError):
                    connection.terminate()
                raise
            finally:
                with suppress(asyncpg.InterfaceError):
                    await pool.release(connection)
    except UNANSWERED as fault:
        raise UnavailableError(f"Postgres did not answer: {fault!r}") from fault


async def fetch(
    pool: Pool, within_s: float, statement: str, *arguments: object, may: Callable[[], bool] = always
) -> list[asyncpg.Record]:
    """Run one statement within that time, the wait for a connection included. Raises `UnavailableError`.

    `may` is asked when there is a connection: whether anything may be said on it.
    """
    async with _asking(pool, within_s, may) as connection:
        found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        return found


@asynccontextmanager
async def transaction(
    pool: Pool, within_s: float, may: Callable[[], bool] = always
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """Run several statements as one transaction within that time, the wait for a connection included.

    It is committed at the end of the block, and rolled back by an error. Raises `UnavailableError`: at the end of the
    block too, and whether it was committed is then not known. `may` is asked as by `fetch`.
    """
    async with _asking(pool, within_s, may) as connection:
        work = connection.transaction()
        await work.start()
        try:
            yield connection
        except Exception:
            # After a cancellation Postgres rolls back as the connection ends; to ask for it would be to wait again.
            await work.rollback()
            raise
        await work.commit()
