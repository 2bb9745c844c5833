"""Feeds among many posts, edges and celebrities: no statement walks over what it was not asked about."""

from typing import Any

import asyncpg

from persistence.feed import statements
from persistence.feed.places import NEWEST
from persistence.pool import open_pool
from tests.persistence.plans import plan, work

ME, AUTHORS, EACH, FAMOUS, FANS = 1, 300, 20, 2, 20_000
POST = 1_000_000
ASKED_POSTS = [POST + 50 * n for n in range(50)]
EPOCH = "1970-01-01"
ASKED: dict[str, tuple[str, tuple[Any, ...], int]] = {
    "feed": (statements.FEED, (ME, ASKED_POSTS, [0] * 50, [0] * 50), 50 * 25),
    "standing": (statements.STANDING, (ME,), 10 + 3 * statements.NEAR),
    "followed": (statements.FOLLOWED, (ME, False), AUTHORS * 8),
    "heard": (statements.FOLLOWED, (ME, True), AUTHORS * 12),
    "changed": (statements.CHANGED, (ME, 5), 30),
    "newest": (statements.NEWEST_OF, ([10, 11, 12], *NEWEST, 10), 3 * 10 * 5),
    "newest of all": (statements.NEWEST_OF_ALL, (list(range(10, 60)), *NEWEST, 20, 500), 50 * 20 * 8),
    "features": (statements.FEATURES, (ME, ASKED_POSTS), 50 * 100),
    "take": (statements.TAKE, (ASKED_POSTS,), 50 * 12),
    "claim": (statements.CLAIM, (3,), 100),
    "move on": (statements.MOVE_ON, (POST, 1, EPOCH, 0, False), 5),
    "done": (statements.DONE, (POST, 1), 5),
    "count": (statements.COUNT, (FAMOUS, 1_000), 3_100),
    "followers": (statements.FOLLOWERS, (POST + 1, EPOCH, 0, 100, True, FAMOUS), 100 * 12),
    "audience": (statements.AUDIENCE, (POST + 1, list(range(10_000, 10_100)), FAMOUS), 100 * 4),
}


async def test_no_statement_walks_over_what_it_was_not_asked_about(database: str) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        for number, (statement, arguments, _) in enumerate(ASKED.values()):
            await plan(one, f"asked{number}", statement, *arguments)
        await _fill(database)
        costs = {
            name: await work(one, f"asked{number}", *arguments)
            for number, (name, (_, arguments, _)) in enumerate(ASKED.items())
        }
    assert {name: cost for name, cost in costs.items() if cost > ASKED[name][2]} == {}
    assert costs["followers"] > 100
    assert costs["feed"] > 50


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in (
        "truncate fanout",
        f"insert into account (id, username) select n, 'person' || n from generate_series(1, {AUTHORS + 10}) n",
        f"""insert into post (id, author, cid, digest, state, caption, published_at)
        select {POST} + n, case when n % 50 = 1 then {FAMOUS} else 10 + n % {AUTHORS} end, n::text, '', 'published',
          'x', timestamptz '2026-01-01' + n * interval '1 second' from generate_series(0, {AUTHORS * EACH}) n""",
        """insert into media (id, owner, state, bytes, width, height, due_at)
        select id, author, 'ready', 1, 2, 3, null from post""",
        "insert into post_media (post, n, media) select id, 1, id from post",
        f"""insert into post_like (post, user_id)
        select id, u from post, generate_series(1, 20) u where id < {POST + 1000}""",
        f"insert into follow (follower, followee) select {ME}, n from generate_series(10, {AUTHORS + 9}) n",
        f"insert into follow (follower, followee) select n, {FAMOUS} from generate_series(10000, {9_999 + FANS}) n",
        """insert into follow (follower, followee)
        select n, 100000 + k from generate_series(10000, 10099) n, generate_series(1, 200) k""",
        f"""insert into relation (user_id, kind, target)
        select n, k, {FAMOUS} from generate_series(50000, 60000) n, unnest(array['block', 'mute']) k""",
        "insert into celebrity (author, celebrity, version) select n, true, n from generate_series(1000, 1005) n",
        "insert into celebrity (author, celebrity, version) select n, true, 1 from generate_series(2000, 9000) n",
        "insert into fanout (post, author, due_at, done_at) select id, author, null, now() from post offset 10",
        "insert into fanout (post, author) select id, author from post limit 10 on conflict do nothing",
    ):
        await connection.execute(statement)
    await connection.close()
