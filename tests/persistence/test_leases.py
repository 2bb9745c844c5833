"""Leases in Postgres when statements meet: whoever waited for a row looks at it anew, and nobody waits in a circle."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from persistence.faults import UnavailableError
from persistence.nodes import statements
from persistence.nodes.contract import LEASE_MS, Life
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import Pool, open_pool

NODES = 4


def life(name: str, number: int = 1) -> Life:
    return Life(f"{name}.{number}", name, "ws://a/v1/socket", "a:2", "a:3")


class Table:
    """Nodes that each have their own connection, and one for whoever looks on."""

    def __init__(self, url: str, stores: list[PostgresNodes], pool: Pool) -> None:
        self.url = url
        self.stores = stores
        self.pool = pool

    async def silence(self, *names: str) -> None:
        await self.pool.execute(
            "update node set renewed_at = statement_timestamp() - $1 * interval '1 ms' where name = any($2)",
            LEASE_MS + 1,
            names,
        )

    async def waiting(self, count: int) -> None:
        """Look until so many statements wait for a lock."""
        statement = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        while await self.pool.fetchval(statement) < count:
            pass

    async def names(self) -> list[str]:
        return [member.node.name for member in (await self.stores[0].look()).members]


@pytest.fixture
async def table(database: str) -> AsyncIterator[Table]:
    async with AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(open_pool(database, 1)) for _ in range(NODES + 1)]
        yield Table(database, [PostgresNodes(pool) for pool in pools[:NODES]], pools[NODES])


async def test_a_lease_renewed_while_its_removal_waited_survives(table: Table) -> None:
    """The removal chose it by what was committed when it began; it tests the row that it finds once it goes on."""
    for name in "ab":
        await table.stores[0].join(life(name))
    await table.silence("b")
    holder = await asyncpg.connect(table.url)
    async with asyncio.TaskGroup() as group, holder.transaction():
        await holder.execute("select from node where name = 'a' for update")
        removal = group.create_task(table.stores[0].renew("a.1", 2))
        await table.waiting(1)
        assert await table.stores[1].renew("b.1", 2) is not None
    await holder.close()
    view = removal.result()
    assert view is not None
    assert [member.node.name for member in view.members] == ["a", "b"]
    assert view.version == 2


async def test_a_lease_that_ends_while_its_renewal_waits_is_gone(table: Table) -> None:
    for name in "ab":
        await table.stores[0].join(life(name))
    holder = await asyncpg.connect(table.url)
    async with asyncio.TaskGroup() as group, holder.transaction():
        await holder.execute("delete from node where name = 'a'")
        renewal = group.create_task(table.stores[0].renew("a.1", 2))
        await table.waiting(1)
    await holder.close()
    assert renewal.result() is None


async def test_a_life_replaced_while_its_renewal_waits_does_not_renew_the_next_one(table: Table) -> None:
    await table.stores[0].join(life("a"))
    holder = await asyncpg.connect(table.url)
    async with asyncio.TaskGroup() as group, holder.transaction():
        await holder.execute(statements.JOIN, "a.2", "a", "ws://a/v1/socket", "a:2", "a:3")
        renewal = group.create_task(table.stores[0].renew("a.1", 1))
        await table.waiting(1)
    await holder.close()
    assert renewal.result() is None
    (member,) = (await table.stores[0].look()).members
    assert (member.node.incarnation, member.confirmed) == ("a.2", 0)


async def test_of_all_who_find_the_same_lease_run_out_one_removes_it_and_the_version_rises_once(table: Table) -> None:
    for name in "abcd":
        await table.stores[0].join(life(name))
    for dead in "d", "c":
        await table.silence(dead)
        version = (await table.stores[0].look()).version
        alive = [name for name in await table.names() if name != dead]
        renewals = (store.renew(f"{name}.1", 4) for name, store in zip(alive, table.stores, strict=False))
        assert None not in await asyncio.gather(*renewals)
        view = await table.stores[0].look()
        assert [member.node.name for member in view.members] == alive
        assert view.version == version + 1


async def test_nodes_that_come_back_late_together_do_not_wait_for_each_other(table: Table) -> None:
    """Each finds the others' leases run out: to lock its own and then theirs would be a deadlock."""
    for name in "abcd":
        await table.stores[0].join(life(name))
    for _ in range(20):
        await table.silence("a", "b", "c")
        await asyncio.gather(*(store.renew(f"{name}.1", 4) for name, store in zip("abc", table.stores, strict=False)))
        for name in "abc":
            await table.stores[0].join(life(name))
    assert await table.names() == ["a", "b", "c", "d"]


async def test_nodes_that_join_at_once_each_raise_the_version(table: Table) -> None:
    await asyncio.gather(*(store.join(life(name)) for name, store in zip("abab", table.stores, strict=True)))
    view = await table.stores[0].look()
    assert (view.version, [member.node.name for member in view.members]) == (NODES, ["a", "b"])


async def test_a_backup_that_takes_long_holds_nothing_up(table: Table) -> None:
    backup = await asyncpg.connect(table.url, server_settings={"application_name": "pg_dump"})
    async with backup.transaction():
        began = await backup.fetchval("select ceil(extract(epoch from now()) * 1000)::bigint")
        while await table.pool.fetchval(
            "select extract(epoch from statement_timestamp()) * 1000 < $1::bigint + 1", began
        ):
            pass
        assert (await table.stores[0].look()).settled > began
    await backup.close()


async def test_a_connection_that_does_not_end_is_said_so_and_ends_when_it_can(table: Table) -> None:
    async with open_pool(table.url, 1, "tidings a.1") as pool:
        process = await pool.fetchval("select pg_backend_pid()")
        os.kill(process, signal.SIGSTOP)
        try:
            with pytest.raises(UnavailableError):
                await table.stores[0].cut_off("a.1")
        finally:
            os.kill(process, signal.SIGCONT)
        await table.stores[0].cut_off("a.1")
        ended = "select not exists (select from pg_stat_activity where pid = $1)"
        assert await table.pool.fetchval(ended, process)
