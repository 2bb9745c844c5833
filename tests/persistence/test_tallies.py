"""Totals equal what was counted, whoever folds when, and the fold costs what it folds."""

import asyncio

import asyncpg
import pytest

from persistence.pool import Pool, fetch, open_pool
from persistence.tallies.folding import AT_ONCE, FOLD, fold
from persistence.tallies.fragments import APPEND, EXACT, FOLDED
from tests.persistence.plans import plan, work

READ = f"select {FOLDED.format(thing='$1::bigint', kind='likes')}, {EXACT.format(thing='$1::bigint', kind='likes')}"


async def append(pool: Pool, thing: int, count: int, change: int = 1) -> None:
    await fetch(
        pool, 2.0, f"{APPEND} select $1::bigint, 'likes', $2::int from generate_series(1, $3)", thing, change, count
    )


async def read(pool: Pool, thing: int) -> tuple[int, int]:
    [row] = await fetch(pool, 2.0, READ, thing)
    return tuple(row)


async def test_a_fold_moves_what_was_appended_into_the_total(database: str) -> None:
    async with open_pool(database, 1) as pool:
        await append(pool, 1, 5)
        await append(pool, 1, 2, -1)
        assert await read(pool, 1) == (0, 3)
        assert await fold(pool) == 7
        assert await read(pool, 1) == (3, 3)
        await append(pool, 1, 3, -1)
        assert await fold(pool) == 3
        assert await read(pool, 1) == (0, 0)
        assert await fold(pool) == 0


async def test_a_change_whose_transaction_ends_late_is_folded_then(database: str) -> None:
    async with open_pool(database, 2) as pool:
        slow = await asyncpg.connect(database)
        late = slow.transaction()
        await late.start()
        await slow.execute(f"{APPEND} values (1, 'likes', 1)")
        await append(pool, 1, 10)
        assert await fold(pool) == 10
        assert await read(pool, 1) == (10, 10)
        await late.commit()
        assert await fold(pool) == 1
        assert await read(pool, 1) == (11, 11)
        await slow.close()


async def test_nodes_that_fold_at_once_take_different_changes(database: str) -> None:
    async with open_pool(database, 4) as pool:
        for thing in (3, 1, 2):
            await append(pool, thing, 4 * AT_ONCE // 3)
        folded = await asyncio.gather(*(fold(pool) for _ in range(8)))
        assert sum(folded) == 4 * AT_ONCE // 3 * 3
        assert [await read(pool, thing) for thing in (1, 2, 3)] == [(4 * AT_ONCE // 3,) * 2] * 3


async def test_whoever_reads_during_a_fold_sees_each_change_once(database: str) -> None:
    async with open_pool(database, 4) as pool:
        await append(pool, 1, 2 * AT_ONCE)

        async def watch() -> list[int]:
            return [(await read(pool, 1))[1] for _ in range(5)]

        seen, *_ = await asyncio.gather(watch(), fold(pool), fold(pool), fold(pool))
        assert set(seen) == {2 * AT_ONCE}


@pytest.mark.parametrize("waiting", [2, 6])
async def test_a_fold_touches_the_changes_that_it_folds_and_no_others(database: str, waiting: int) -> None:
    async with open_pool(database, 1) as pool:
        await plan(pool, "fold", FOLD)
        for thing in range(waiting):
            await append(pool, thing % 2, AT_ONCE)
        # Each is found, locked, put into the list of places, deleted, handed on twice, sorted and added.
        assert await work(pool, "fold") <= 14 * AT_ONCE
