"""Pictures that nothing shows end by themselves; one that somebody makes something of, even then, never does."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from persistence.media.unused import AT_ONCE, clear, give_up
from persistence.pool import Pool, open_pool, transaction
from persistence.posts.making import Made, Unfit, make
from persistence.posts.statements import MAKE
from persistence.stories.postgres import Made as StoryMade
from persistence.stories.postgres import PostgresStories
from protocol.ids import UserId
from protocol.media import MediaId
from protocol.posting import NewPost
from tests.persistence.locks import until_waiting
from tests.pictures import brought

ADA = UserId("1024")


@pytest.fixture
async def pool(module_database: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database, 4) as pool:
        await pool.execute("truncate post, post_media, story, media, outbox")
        await pool.execute("insert into account (id, username) values (1024, 'ada') on conflict do nothing")
        yield pool


async def state(pool: Pool, media: MediaId) -> str:
    """With a sign behind it while it is still to be looked at."""
    return str(
        await pool.fetchval(
            "select state || case when unused_since is null then '' else '?' end from media where id = $1", int(media)
        )
    )


async def test_what_is_in_a_post_a_draft_or_a_story_stays_and_is_looked_at_once(pool: Pool) -> None:
    posted, waited_for, told = [await brought(pool, ADA) for _ in range(3)]
    slow, loose = await brought(pool, ADA, "processing"), await brought(pool, ADA)
    await pool.execute("update media set due_at = statement_timestamp() where id = $1", int(slow))
    for cid, media in (("a", [posted]), ("b", [waited_for, slow])):
        assert isinstance(await make(pool, ADA, NewPost(cid, media)), Made)
    story = await PostgresStories(pool).create(ADA, "a", b"", told, close_friends=False)
    assert isinstance(story, StoryMade)
    assert not await clear(pool, 60_000)
    assert await clear(pool, 0)
    assert [await state(pool, media) for media in (posted, waited_for, told, slow)] == [*3 * ["ready"], "processing"]
    assert await state(pool, loose) == "rejected?"


async def test_what_the_pipeline_is_not_done_with_is_looked_at_again(pool: Pool) -> None:
    media = await brought(pool, ADA, "processing")
    await pool.execute("update media set due_at = statement_timestamp()")
    await clear(pool, 0)
    assert await state(pool, media) == "processing?"


async def test_what_is_looked_at_at_once_is_bounded(pool: Pool) -> None:
    for _ in range(AT_ONCE + 1):
        await brought(pool, ADA)
    assert await clear(pool, 0)
    assert await pool.fetchval("select count(*) from media where state = 'ready'") == 1


async def test_a_post_that_is_being_made_keeps_its_picture(pool: Pool) -> None:
    media = await brought(pool, ADA)
    async with transaction(pool, 10) as making:
        [(what, *_)] = await making.fetch(MAKE, int(ADA), "a", b"", [int(media)], None, None, [], [], [])
        assert what == "made"
        assert not await clear(pool, 0)
    assert await clear(pool, 0)
    assert await state(pool, media) == "ready"


@pytest.mark.parametrize("story", [False, True])
async def test_what_is_being_given_up_makes_nothing_any_more(pool: Pool, *, story: bool) -> None:
    media = await brought(pool, ADA)
    async with asyncio.TaskGroup() as group, transaction(pool, 10) as giving_up:
        assert await give_up(giving_up, [int(media)], "unused for too long") == [int(media)]
        if story:
            storying = group.create_task(PostgresStories(pool).create(ADA, "a", b"", media, close_friends=False))
        else:
            posting = group.create_task(make(pool, ADA, NewPost("a", [media])))
        await until_waiting(pool)
    if story:
        assert storying.result() == "rejected"
    else:
        assert posting.result() == Unfit("rejected", f"media {media} was rejected: unused for too long")
