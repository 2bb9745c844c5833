"""What a tray takes to read (`-s` prints it): it is made anew each time, so it has to be quick for whoever follows as
many as there may be, and a story has to find its followers."""

from time import perf_counter

import asyncpg
import pytest

from persistence.graph.contract import LIMITS
from persistence.outbox.contract import Event
from persistence.pool import Pool, open_pool
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from persistence.stories.statements import TRAY
from protocol.ids import Millis, UserId
from protocol.trays import StoryId
from server.outbox.consumer import HANDLE_S
from tests.story_ground import StoryGround

FEW, MOST, FANS, STORIES = 500, LIMITS["following"], 9_999, 400
READERS = {1: 200, 2: FEW, 3: MOST}
AUTHOR, STORY = 4, 1024 * 4 + 1
WITHIN_S = {200: 0.05, FEW: 0.05, MOST: 0.25}
"""Many times what it takes on two cores that nobody else wants."""


@pytest.mark.verify
async def test_trays_are_read_and_followers_found_within_milliseconds(database: str) -> None:
    await _fill(database)
    async with open_pool(database, 1) as pool:
        store, moving = PostgresStories(pool), PostgresMovingStories(pool)
        for reader, followed in READERS.items():
            times = []
            for _ in range(21):
                begun = perf_counter()
                tray = await store.tray(UserId(str(reader)))
                times.append(perf_counter() - begun)
            times.sort()
            print(f"\ntray of {followed} followed, {len(tray)} with stories: p50 {times[10] * 1e3:.2f} ms", end="")
            assert len(tray) == min(followed // 5, TRAY)
            assert times[0] < WITHIN_S[followed]
        begun = perf_counter()
        [moved] = await moving.look([StoryId(str(STORY))], 10_001)
        found = sum([len(some.listening) async for some in moving.audience(moved, there=True)])
        print(f"\n{found} followers of a story found in {(perf_counter() - begun) * 1e3:.0f} ms")
        assert found == FANS
        await _tell_many(pool)


async def _tell_many(pool: Pool) -> None:
    """A message from the outbox that is full of stories is handled in time, if not told live to the last."""
    made = await pool.fetch(
        f"""insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at)
        select {2**40} + n, {AUTHOR}, 'new' || n, '', 1, n % 4 = 0, 'published', now(), now() + interval '1 day'
        from generate_series(1, {STORIES}) n returning id"""
    )
    telling = StoryGround(pool).telling
    begun = perf_counter()
    await telling.moved([Event(1, Millis(0), str(id).encode()) for (id,) in made])
    took = perf_counter() - begun
    print(f"\n{STORIES} stories of one message: {took:.1f} s, {STORIES - telling.let_go} told live")
    assert took < HANDLE_S


async def _fill(url: str) -> None:
    """Every fifth has two stories now; all have had twenty."""
    connection = await asyncpg.connect(url)
    for reader, followed in READERS.items():
        await connection.execute(
            f"insert into follow (follower, followee) select {reader}, n from generate_series(5, {4 + followed}) n"
        )
    story = "insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at) "
    for statement in (
        "insert into account (id, username) select n, 'person' || n from generate_series(1, 20000) n",
        f"""insert into follow (follower, followee, at)
        select n, {AUTHOR}, to_timestamp(n) from generate_series(10001, {10_000 + FANS}) n""",
        f"""{story} select 1024 * n + k, n, k, '', 1, false, 'published', now(),
        now() + interval '1 day' - k * interval '1 hour' from generate_series(4, 20000) n, generate_series(1, 2) k
        where n % 5 = 0 or n = {AUTHOR}""",
        f"""{story} select 1024 * n + k, n, k, '', 1, false, 'published', now(), now() - k * interval '1 day'
        from generate_series(4, 20000) n, generate_series(3, 22) k""",
    ):
        await connection.execute(statement)
    await connection.close()
