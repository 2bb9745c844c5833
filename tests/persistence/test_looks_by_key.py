"""A look by key reads a few pages, also by a plan that was made while the tables were empty: rows that an index walks
past are in no count of rows, but their pages are."""

import json

import asyncpg
import pytest

from persistence.graph import predicates
from persistence.pool import open_pool

ME, FRIEND, STRANGER, MANY = 1, 5_000, 100_000, 10_000
NAMES = ["BLOCKS", "BLOCKED", "FOLLOWS", "MUTED", "RESTRICTED", "SILENCED", "CLOSE_FRIENDS"]
PAGES_A_LOOK = 5


@pytest.mark.parametrize("swapped", [False, True])
async def test_conditions_on_the_graph_are_looks_by_key(database: str, *, swapped: bool) -> None:
    ends = {"one": "w.n", "other": str(ME)} if swapped else {"one": str(ME), "other": "w.n"}
    async with open_pool(database, 1) as one:
        for name in NAMES:
            condition = getattr(predicates, name).format(**ends)
            await one.execute(f"prepare {name} as select n, {condition} from unnest($1::bigint[]) w (n)")
            await one.execute(f"execute {name} ('{{{FRIEND}}}')")
        await _fill(database)
        pages = {}
        for name in NAMES:
            asked = f"explain (analyze, buffers, timing off, format json) execute {name} ('{{{FRIEND},{STRANGER}}}')"
            await one.fetchval(asked)
            step = json.loads(await one.fetchval(asked))[0]["Plan"]
            pages[name] = step["Shared Hit Blocks"] + step["Shared Read Blocks"]
    # Each condition is up to five looks at each of the two people.
    assert {name: count for name, count in pages.items() if count > 2 * 5 * PAGES_A_LOOK} == {}


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    every = f"generate_series(2, {MANY + 1}) n"
    for statement in (
        f"insert into follow (follower, followee, at) select {ME}, n, to_timestamp(n) from {every}",
        f"insert into follow (follower, followee, at) select n, {ME}, to_timestamp(n) from {every}",
        f"""insert into relation (user_id, kind, target, at) select {ME}, k, n, to_timestamp(n)
        from {every}, unnest(array['block', 'mute', 'restrict', 'close_friend']) k""",
        f"""insert into relation (user_id, kind, target, at) select n, k, {ME}, to_timestamp(n)
        from {every}, unnest(array['block', 'mute', 'restrict', 'close_friend']) k""",
    ):
        await connection.execute(statement)
    await connection.close()
