"""A statement whose answer does not come: its outcome is unknown, and nobody waits for it any longer."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest

from persistence.conversations.contract import Unit
from persistence.conversations.postgres import PostgresConversations
from persistence.faults import UnavailableError
from persistence.pool import Pool, fetch, open_pool, transaction
from protocol.events import MessageSent
from protocol.facts import Said
from protocol.ids import Millis, UserId
from tests.contracts.grounds import opened
from tests.until import until

ME, OTHER = UserId("1024"), UserId("2048")
WITHIN_S = 0.2


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, 1) as pool:
        yield pool


async def test_a_statement_that_waits_too_long_for_a_lock_is_given_up(database: str, pool: Pool) -> None:
    store = PostgresConversations(pool)
    id = await opened(store, ME, OTHER)
    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.execute("select from conversation for update")
        with pytest.raises(UnavailableError):
            await PostgresConversations(pool, WITHIN_S).activate(id, [ME], [], None)
        assert await store.find(id, ME, []) == ()
    await holder.close()


async def test_a_server_process_that_hangs_costs_one_connection_and_no_more_than_the_time_allowed(pool: Pool) -> None:
    store = PostgresConversations(pool)
    id = await opened(store, ME, OTHER)
    process = await pool.fetchval("select pg_backend_pid()")
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError):
            await PostgresConversations(pool, WITHIN_S).find(id, ME, [])
        assert await opened(store, ME, OTHER) == id
        assert await pool.fetchval("select pg_backend_pid()") != process
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_caller_that_is_cancelled_leaves_the_pool_usable(database: str, pool: Pool) -> None:
    store = PostgresConversations(pool)
    id = await opened(store, ME, OTHER)
    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.execute("select from conversation for update")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                await store.activate(id, [ME], [], None)
        assert await opened(store, ME, OTHER) == id
    await holder.close()


@pytest.mark.parametrize("end", ["an error", "no answer in time", "a cancelled caller", "a lost connection"])
async def test_a_transaction_that_does_not_come_to_its_end_leaves_nothing_and_the_pool_usable(
    pool: Pool, end: str
) -> None:
    async def work() -> None:
        async with transaction(pool, WITHIN_S if end == "no answer in time" else 30) as connection:
            await connection.execute("insert into outbox (topic, body) values ('t', '')")
            match end:
                case "an error":
                    raise LookupError
                case "a lost connection":
                    await connection.execute("select pg_terminate_backend(pg_backend_pid())")
                case "a cancelled caller":
                    asyncio.get_running_loop().call_soon(caller.cancel)
            await connection.execute("select pg_sleep(10)")

    caller = asyncio.create_task(work())
    with pytest.raises((LookupError, UnavailableError, asyncio.CancelledError)) as ended:
        await caller
    known = {"an error": LookupError, "a cancelled caller": asyncio.CancelledError}
    assert ended.type is known.get(end, UnavailableError)
    assert await pool.fetchval("select count(*) from outbox") == 0


async def test_a_commit_that_waited_for_its_connection_until_the_lease_ran_out_is_not_said(pool: Pool) -> None:
    store = PostgresConversations(pool)
    id = await opened(store, ME, OTHER)
    held = await store.activate(id, [ME], [], None)
    assert held is not None
    said = Said(MessageSent(conversation=id, c=1, sender=ME, cid="late", at=Millis(1), text="late"), 0)
    lease = [True]
    writer = PostgresConversations(pool, may=lambda: lease[0])
    async with pool.acquire():
        commit = asyncio.create_task(writer.commit([Unit(id, held.fence, 0, (said,))], wait=False))
        await asyncio.sleep(0)
        lease[0] = False
    with pytest.raises(UnavailableError, match="lease"):
        await commit
    assert await store.find(id, ME, ["late"]) == ()
    lease[0] = True
    assert await writer.commit([Unit(id, held.fence, 0, (said,))], wait=False) == ["committed"]


async def test_a_caller_that_is_cancelled_as_its_connection_ends_is_cancelled(pool: Pool) -> None:
    """Whoever serves until it is cancelled would else take it for a fault of the database, and go on for ever."""
    await pool.fetchval("select 1")
    (holder,) = pool._holders
    caller = asyncio.create_task(fetch(pool, 10, "select pg_sleep(10)"))
    await until(lambda: holder._in_use is not None)
    holder._con._transport.abort()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
