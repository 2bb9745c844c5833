"""The end of a story: exactly 24 hours by the database's clock, on every path, whatever a node's own clock says."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence.media.postgres import PostgresMedia
from persistence.pool import Pool
from persistence.privacy import may_see
from protocol.errors import Refusal
from protocol.graph import PeopleQuery
from protocol.ids import UserId
from protocol.requests import SeeStory, StoryTray
from protocol.shares import Share
from protocol.stories import ArchiveQuery, NewStory, Story
from protocol.trays import StoryId, Tray
from server.posts.sharing import seen_share
from server.stories.answering import NO_SUCH_STORY
from tests.story_ground import DAY, START, StoryGround, set_clock, timed

MICROSECOND = timedelta(microseconds=1)
MINUTE_MS = 60_000

around = st.one_of(
    st.sampled_from([timedelta(milliseconds=n) for n in (-1, 0, 1)] + [n * MICROSECOND for n in (-1, 0, 1)]),
    st.integers(-1_000, 1_000).map(lambda n: n * MICROSECOND),
    st.integers(-86_400_000, 86_400_000).map(lambda n: timedelta(milliseconds=n)),
)
skews = st.lists(st.integers(-10 * MINUTE_MS, 10 * MINUTE_MS), min_size=2, max_size=2)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with timed(database) as pool:
        await set_clock(pool, START)
        yield pool


async def shown(ground: StoryGround, viewer: UserId, author: UserId, story: StoryId) -> dict[str, bool]:
    """By which path somebody else is shown the story, or may do something with it."""
    of = await ground.posting.of(viewer, author)
    tray = await ground.answering.answer(viewer, StoryTray(id=1))
    assert not isinstance(of, Refusal)
    assert isinstance(tray, Tray)
    media = str(await ground.pool.fetchval("select media from story where id = $1", int(story)))
    reacted = await ground.store.react(viewer, story, "🔥", "cid")
    [moved] = await ground.moving.look([story], 10)
    assert reacted
    audience = [user async for some in ground.moving.audience(moved, there=True) for user in some.users]
    return {
        "get": isinstance(await ground.posting.show(viewer, story), Story),
        "of": story in [one.id for one in of.items],
        "tray": story in [one.id for entry in tray.items for one in entry.stories],
        "snapshot": bool((await ground.answering.first_tray(viewer)).items),
        "tray of one": await ground.store.tray_of(viewer, author) is not None,
        "seen": await ground.answering.answer(viewer, SeeStory(id=1, story=story)) != NO_SUCH_STORY,
        "react": reacted.visible,
        "reply": await seen_share(ground.pool, viewer, Share("story", story)),
        "asked": bool(await may_see(ground.pool, viewer, "story", [story])),
        "media": bool(await may_see(ground.pool, viewer, "media", [media])),
        "address": await PostgresMedia(ground.pool).served(viewer, media, 2**52) is not None,
        "told": moved.there,
        "audience": viewer in audience,
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    posted=st.integers(0, 10**12).map(lambda n: START + n * MICROSECOND),
    offset=around,
    skewed=skews,
    audience=st.sampled_from(["all", "close_friends"]),
    late=st.booleans(),
)
async def test_no_path_shows_it_a_microsecond_too_long_or_too_short(
    pool: Pool, posted: datetime, offset: timedelta, skewed: list[int], audience: str, late: bool
) -> None:
    """Posted by one node and asked of another one; both have clocks of their own, minutes wrong."""
    one, other = (StoryGround(pool, round(posted.timestamp() * 1_000) + skew_ms) for skew_ms in skewed)
    await set_clock(pool, posted)
    ada, bob, stranger = await one.person(), await one.person(), await one.person()
    await one.follow(bob, ada)
    await one.relate(ada, "close_friend", bob)
    media = await one.picture(ada, "processing" if late else "ready")
    story = await one.post(ada, audience, media)  # type: ignore[arg-type]
    if late:
        posted += timedelta(hours=3)
        await set_clock(pool, posted)
        await one.settle(media, "ready")
    told = await other.posting.show(bob, story)
    assert isinstance(told, Story)
    assert told.expires_at
    assert told.media
    # What is told is exact: it ends in the same millisecond in which it was posted, a day later.
    assert told.expires_at == int((posted + DAY).timestamp() * 1_000)
    assert f"until={told.expires_at}&" in told.media.url
    now = posted.replace(microsecond=posted.microsecond // 1_000 * 1_000) + DAY + offset
    await set_clock(pool, max(now, posted))
    served = await PostgresMedia(pool).served(bob, media, told.expires_at)
    there = now < posted.replace(microsecond=posted.microsecond // 1_000 * 1_000) + DAY
    assert (served is not None) == there
    for ground in (one, other):
        by_path = await shown(ground, bob, ada, story)
        assert set(by_path.values()) == {there}, by_path
        assert isinstance(await ground.posting.show(stranger, story), Story) == (there and audience == "all")
        # Its author keeps it.
        assert isinstance(await ground.posting.show(ada, story), Story)
        assert [kept.id for kept in (await ground.posting.mine(ada, ArchiveQuery())).items] == [story]
        assert not isinstance(await ground.posting.viewers(ada, story, PeopleQuery()), Refusal)
        assert isinstance(await ground.posting.viewers(bob, story, PeopleQuery()), Refusal)
    assert (story in await one.moving.end(1_000)) == (not there)
    assert story not in await one.moving.end(1_000)


async def test_the_end_is_told_when_it_is_over_and_waited_for_as_long_as_is_left(pool: Pool) -> None:
    ground = StoryGround(pool)
    ada, bob = await ground.person(), await ground.person()
    await ground.follow(bob, ada)
    story = await ground.post(ada)
    await set_clock(pool, START + DAY - 2 * MICROSECOND)
    assert await ground.moving.end(10) == []
    left = await ground.moving.next_end_s()
    assert left == 2e-6
    await set_clock(pool, START + DAY)
    for id in await ground.moving.end(10):
        await ground.telling.ended(id)
    assert ground.heard == [
        ({ada}, "remove", story),
        ({bob}, "remove", story),
    ]
    assert await ground.moving.next_end_s() is None


async def test_a_word_that_comes_after_the_end_begins_nothing(pool: Pool) -> None:
    ground = StoryGround(pool)
    ada, bob = await ground.person(), await ground.person()
    await ground.follow(bob, ada)
    await ground.post(ada)
    await set_clock(pool, START + DAY)
    await ground.hear()
    assert ground.told == []


async def test_a_retry_of_a_request_to_post_does_not_begin_it_anew(pool: Pool) -> None:
    ground = StoryGround(pool)
    ada = await ground.person()
    new = NewStory("once", await ground.picture(ada))
    first = await ground.posting.create(ada, new)
    await set_clock(pool, START + DAY)
    again = await ground.posting.create(ada, new)
    assert isinstance(first, Story)
    assert isinstance(again, Story)
    assert (again.id, again.expires_at, again.dup) == (first.id, first.expires_at, True)
