"""The conditions on the graph, for every pair of a few people who stand differently with each other."""

from collections.abc import AsyncIterator

import pytest

from persistence.graph import predicates
from persistence.pool import Pool, open_pool

ADA, BEN, EVE, DAN = 1, 2, 3, 4
TRUE = {
    "BLOCKS": {(ADA, EVE)},
    "BLOCKED": {(ADA, EVE), (EVE, ADA)},
    "FOLLOWS": {(ADA, BEN), (BEN, ADA), (ADA, DAN)},
    "MUTED": {(BEN, ADA)},
    "RESTRICTED": {(DAN, ADA)},
    "CLOSE_FRIENDS": {(ADA, BEN)},
}


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, 1) as pool:
        await pool.execute(
            """with asked as (insert into follow (follower, followee, requested)
              values (1, 2, false), (2, 1, false), (1, 4, false), (4, 1, true))
            insert into relation (user_id, kind, target)
            values (1, 'block', 3), (2, 'mute', 1), (4, 'restrict', 1), (1, 'close_friend', 2)"""
        )
        yield pool


@pytest.mark.parametrize("name", TRUE)
async def test_a_condition_holds_for_those_it_names_and_for_nobody_else(pool: Pool, name: str) -> None:
    condition = getattr(predicates, name).format(one="a.n", other="b.n")
    rows = await pool.fetch(
        f"select a.n, b.n from generate_series(1, 4) a (n), generate_series(1, 4) b (n) where {condition}"
    )
    assert {tuple(row) for row in rows} == TRUE[name]
