"""What a deleted post or story leaves, through the pipeline that runs: no object of its pictures stays."""

from pathlib import Path

import pytest

from persistence.media.unused import clear as clear_unused
from persistence.pool import Pool
from persistence.posts.changing import delete
from persistence.posts.clearing import clear as clear_posts
from persistence.posts.making import Made, make
from persistence.stories.clearing import clear as clear_stories
from persistence.stories.postgres import Made as StoryMade
from persistence.stories.postgres import PostgresStories
from protocol.media import MediaId
from protocol.posting import NewPost
from server.media.variants import archive_key, original_key
from tests.server.media.drawing import encoded, photo
from tests.server.media.ground import OWNER, Ground, grounded


async def delete_post(pool: Pool, media: MediaId) -> None:
    made = await make(pool, OWNER, NewPost(f"cid {media}", [media]))
    assert isinstance(made, Made)
    await delete(pool, OWNER, made.id)


async def delete_story(pool: Pool, media: MediaId) -> None:
    stories = PostgresStories(pool)
    made = await stories.create(OWNER, f"cid {media}", b"", media, close_friends=False)
    assert isinstance(made, StoryMade)
    assert await stories.delete(OWNER, made.id)


async def objects_of(ground: Ground, media: MediaId) -> list[str]:
    folders = [await ground.objects.listed(f"{folder}/{media}") for folder in ("media", "upload")]
    alone = [(ground.objects, original_key(media)), (ground.cold, archive_key(media))]
    return [one.key for folder in folders for one in folder] + [
        key for objects, key in alone if await objects.size(key) is not None
    ]


@pytest.mark.parametrize(("remove", "clear"), [(delete_post, clear_posts), (delete_story, clear_stories)])
async def test_no_object_of_what_was_deleted_stays(database: str, tmp_path: Path, remove, clear) -> None:  # type: ignore[no-untyped-def]
    async with grounded(database, tmp_path) as ground, ground.running():
        await ground.pool.execute("insert into account (id, username) values ($1, 'owner')", int(OWNER))
        media = await ground.upload(encoded(photo(700, 500), "jpeg"))
        await ground.done(media)
        assert len(await objects_of(ground, media)) == 9
        await remove(ground.pool, media)
        await clear(ground.pool, 0)
        row = await ground.done(media)
        assert (row["state"], row["reason"], row["thumbhash"]) == ("rejected", "deleted", None)
        assert await objects_of(ground, media) == []
        while await clear(ground.pool, 0):
            pass
        assert await ground.pool.fetchval("select count(*) from media") == 0
        # Nobody is told of what had been told as ready.
        assert [one.state for one in await ground.settled()] == ["ready"]


async def test_no_object_of_what_was_never_shown_stays(database: str, tmp_path: Path) -> None:
    async with grounded(database, tmp_path) as ground, ground.running():
        media = await ground.upload(encoded(photo(700, 500), "jpeg"))
        await ground.done(media)
        assert not await clear_unused(ground.pool, 60_000)
        assert await clear_unused(ground.pool, 0)
        row = await ground.done(media)
        assert (row["state"], row["reason"]) == ("rejected", "unused for too long")
        assert await objects_of(ground, media) == []
        while await clear_unused(ground.pool, 0):
            pass
        assert await ground.pool.fetchval("select count(*) from media") == 0
