"""Somebody whom very many follow and ask: what a statement costs does not grow with how many they are."""

from typing import Any

import asyncpg
import pytest

from persistence.graph import predicates, statements
from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, VIA
from persistence.pool import open_pool
from tests.persistence.plans import plan, work

FAMOUS, FAN, STRANGER = 1, 1_000, 999
SIZES = [20_000, pytest.param(1_000_000, marks=pytest.mark.verify)]
PAGE = 51
FIRST = (2**53, 2**63 - 1, PAGE)

COUNTS = ([FAMOUS, FAN], ["followers", "following"], [1, 1])
# Each of VIA people whom I follow has VIA, and each of these is looked at.
SUGGESTED = 10 * VIA * VIA

_WHERE = "select n from unnest($1::bigint[]) w (n) where {}"
ASKED: dict[str, tuple[str, tuple[Any, ...], int]] = {
    "relationship": (statements.RELATIONSHIP, (FAN, FAMOUS), 20),
    "followed": (statements.FOLLOWED, (FAMOUS, LIMITS["following"]), 3 * LIMITS["following"]),
    "related": (statements.RELATED, (FAMOUS, "block", 10), 3 * 10),
    "waiting": (statements.WAITING, (FAMOUS, ACCEPTED_AT_ONCE), 4 * ACCEPTED_AT_ONCE),
    "profile": (statements.PROFILE, (FAN, FAMOUS), 8),
    "profile named": (statements.PROFILE_NAMED, (FAN, f"person{FAMOUS}"), 8),
    **{names: (statement, (FAMOUS, *FIRST), 5 * PAGE) for names, statement in statements.PAGES.items()},
    **{f"theirs {names}": (sql, (FAN, FAMOUS, *FIRST), 7 * PAGE) for names, sql in statements.OTHERS.items()},
    "suggested": (statements.SUGGESTED, (FAN, VIA, 20), SUGGESTED),
    "put": (
        statements.APPLY,
        ([STRANGER], [FAMOUS], [False], [False], *[[]] * 8, "t", ["00"], None, None, *COUNTS),
        20,
    ),
    "drop": (
        statements.APPLY,
        (
            [],
            [],
            [],
            [],
            [FAN, FAMOUS],
            [FAMOUS, FAN],
            [],
            [],
            [],
            [FAN],
            ["mute"],
            [FAMOUS],
            "t",
            ["00"],
            FAMOUS,
            FAN,
            *COUNTS,
        ),
        30,
    ),
    **{
        name: (_WHERE.format(getattr(predicates, name).format(one="w.n", other=str(FAMOUS))), ([FAN, STRANGER],), 12)
        for name in ("BLOCKS", "BLOCKED", "FOLLOWS", "MUTED", "RESTRICTED", "CLOSE_FRIENDS")
    },
}


@pytest.mark.parametrize("edges", SIZES)
async def test_no_statement_walks_over_edges_that_it_was_not_asked_about(database: str, edges: int) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        for number, (statement, arguments, _) in enumerate(ASKED.values()):
            await plan(one, f"asked{number}", statement, *arguments)
        await _fill(database, edges)
        costs = {
            name: await work(one, f"asked{number}", *arguments)
            for number, (name, (_, arguments, _)) in enumerate(ASKED.items())
        }
    assert {name: cost for name, cost in costs.items() if cost > ASKED[name][2]} == {}
    for names in statements.PAGES:
        assert costs[names] > PAGE


async def _fill(url: str, edges: int) -> None:
    connection = await asyncpg.connect(url)
    # What planning ran wrote its rows too.
    await connection.execute("truncate follow, relation, outbox, account cascade")
    most = min(edges, LIMITS["block"])
    for statement in (
        f"insert into account (id, username) select n, 'person' || n from generate_series(1, {FAN + edges}) n",
        f"""insert into follow (follower, followee, requested, at)
        select n, {FAMOUS}, n % 2 = 1, to_timestamp(n) from generate_series({FAN}, {FAN - 1 + edges}) n""",
        f"""insert into follow (follower, followee, at)
        select {FAMOUS}, n, to_timestamp(n) from generate_series({FAN}, {FAN - 1 + LIMITS["following"]}) n""",
        # Somebody whose friends have many friends.
        f"""insert into follow (follower, followee, at)
        select {FAN}, {FAN} + 10 * n, to_timestamp(n) from generate_series(1, 300) n""",
        f"""insert into follow (follower, followee, at)
        select {FAN} + 10 * n, {FAN} + 1 + (7 * n + m) % 10000, to_timestamp(m)
        from generate_series(1, 300) n, generate_series(1, 300) m
        where (7 * n + m) % 10000 + 1 <> 10 * n on conflict do nothing""",
        f"""insert into relation (user_id, kind, target, at)
        select {FAMOUS}, kind, n, to_timestamp(n) from generate_series({FAN + 1}, {FAN + most}) n,
          unnest(array['block', 'mute', 'restrict', 'close_friend']) kind""",
    ):
        await connection.execute(statement)
    await connection.close()
