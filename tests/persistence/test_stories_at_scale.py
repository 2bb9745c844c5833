"""Somebody whom very many follow, with very many views, and somebody who follows many: no statement walks over more
than it was asked about, also by the plan that a connection made when the tables were empty."""

from typing import Any

import asyncpg
import pytest

from persistence.pool import open_pool
from persistence.stories import statements
from tests.persistence.plans import plan, work

FAMOUS, FAN, READER = 1, 1_000, 2
OWN, STORY, OLD = 8_000_000, 9_000_000, 30
FOLLOWED = 500
SIZES = [20_000, pytest.param(500_000, marks=pytest.mark.verify)]
PAGE = 101
NEWEST, FIRST = (2**53, 2**63 - 1), (-(2**53), 0)

ASKED: dict[str, tuple[str, tuple[Any, ...], int]] = {
    # Among the newest hundred it is counted how many are there, or wait.
    "create": (statements.CREATE, (FAMOUS, "new", "\\x00", OWN, False, 0), 30 + 2 * statements.LIVE),
    "publish": (statements.PUBLISH, ([OWN],), 20),
    "delete": (statements.DELETE, (FAMOUS, STORY + 1), 20),
    "get": (statements.GET, (FAN, STORY), 40),
    "of": (statements.OF, (FAN, FAMOUS), 80),
    "archive": (statements.ARCHIVE, (FAMOUS, 2**63 - 1, 20), 240),
    "is there": (statements.IS_THERE, (FAN, FAMOUS), 10),
    "see": (statements.SEE, (FAN, STORY), 40),
    "react": (statements.REACT, (FAN, STORY, "x", "cid"), 50),
    "viewers": (statements.VIEWERS, (FAMOUS, STORY, *NEWEST, PAGE), 15_000),
    # A look for each whom I follow, and some more for the fifth of them who have stories now.
    "my tray": (statements.MY_TRAY, (READER,), 20 * FOLLOWED),
    "tray of": (statements.TRAY_OF, (FAN, FAMOUS), 80),
    "look": (statements.LOOK, ([STORY], 101), 310),
    **{
        f"audience {close_friends} {there}": (statement, (STORY, *FIRST, PAGE), 12 * PAGE)
        for (close_friends, there), statement in statements.AUDIENCE.items()
    },
    "end": (statements.END, (10,), 50),
    "next end": (statements.NEXT_END, (), 5),
    "close": (statements.CLOSE, (FAMOUS,), 30),
    "has any": (statements.HAS_ANY, (FAMOUS,), 5),
    "addressed": (statements.ADDRESSED, ([STORY], [5], [FAN]), 10),
}


@pytest.mark.parametrize("many", SIZES)
async def test_no_statement_of_stories_walks_over_what_it_was_not_asked_about(database: str, many: int) -> None:
    async with open_pool(database, 1) as one:
        for number, (statement, arguments, _) in enumerate(ASKED.values()):
            await plan(one, f"asked{number}", statement, *arguments)
        await _fill(database, many)
        costs = {
            name: await work(one, f"asked{number}", *arguments)
            for number, (name, (_, arguments, _)) in enumerate(ASKED.items())
        }
    assert {name: cost for name, cost in costs.items() if cost > ASKED[name][2]} == {}


async def _fill(url: str, many: int) -> None:
    connection = await asyncpg.connect(url)
    story = "insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at, ended) "
    for statement in (
        "truncate story, outbox, account cascade",
        f"insert into account (id, username) select n, 'person' || n from generate_series(1, {FAN + many}) n",
        f"""insert into follow (follower, followee, at)
        select n, {FAMOUS}, to_timestamp(n) from generate_series({FAN}, {FAN + many}) n""",
        f"""insert into relation (user_id, kind, target, at)
        select {FAMOUS}, 'close_friend', n, to_timestamp(n) from generate_series({FAN}, {FAN + 10_000}) n""",
        f"insert into follow (follower, followee) select {READER}, n from generate_series(3, {2 + FOLLOWED}) n",
        f"insert into media (id, owner, state, bytes) values ({OWN}, {FAMOUS}, 'ready', 1)",
        f"""{story} values
        ({STORY}, {FAMOUS}, 'x', '', {OWN}, false, 'published', now(), now() + interval '1 day', false)""",
        f"""{story} select {STORY} + n, {FAMOUS}, n, '', {OWN + 1}, false, 'published', now(),
        now() - n * interval '1 day', true from generate_series(1, 5000) n""",
        f"""{story} select 1024 * n + k, n, k, '', {OWN + 1}, false, 'published', now(),
        now() + interval '1 day' - k * interval '12 hours', k > 1
        from generate_series(3, {2 + FOLLOWED}) n, generate_series(1, {OLD}) k where k > 1 or n % 5 = 0""",
        f"""insert into story_view (story, viewer, at)
        select {STORY}, n, to_timestamp(n) from generate_series({FAN + 1}, {FAN + many}) n""",
        f"insert into tally (thing, kind, total) values ({STORY}, 'views', {many})",
    ):
        await connection.execute(statement)
    await connection.close()
