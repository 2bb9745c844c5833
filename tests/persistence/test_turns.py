"""Whose picture is worked for next: nobody waits for all that somebody else has brought."""

from persistence.media.postgres import PostgresMedia
from persistence.media.unused import clear
from persistence.pool import open_pool
from persistence.uploads.postgres import PostgresUploads, Quota, Upload
from protocol.ids import UserId
from tests.pictures import brought

ADA, BEN = UserId("1024"), UserId("2048")


async def bring(uploads: PostgresUploads, owner: UserId) -> str:
    made = await uploads.create(owner, 5, "", 60, Quota(100_000, 100, 100))
    assert isinstance(made, Upload)
    claimed = await uploads.claim(made.id, owner, 0, 60_000)
    assert claimed
    assert await uploads.finish(claimed, 0)
    return made.id


async def test_who_brings_much_is_worked_for_between_others(database: str) -> None:
    async with open_pool(database, 2) as pool:
        uploads, media = PostgresUploads(pool), PostgresMedia(pool)
        for _ in range(30):
            await bring(uploads, ADA)
        await bring(uploads, BEN)
        claimed = [await media.claim(60_000) for _ in range(31)]
        owners = [job.owner for job in claimed if job]
    assert len(owners) == 31
    # Each of Ada's is a second behind the one before; this took less than half of them.
    assert owners.index(BEN) < 15


async def test_a_picture_that_somebody_waits_for_goes_before_those_that_are_cleared_away(database: str) -> None:
    async with open_pool(database, 2) as pool:
        old = await brought(pool, ADA)
        assert await clear(pool, 0)
        young = await bring(PostgresUploads(pool), BEN)
        media = PostgresMedia(pool)
        claimed = [await media.claim(60_000) for _ in range(2)]
    assert [job and job.media for job in claimed] == [young, old]


async def test_what_was_put_off_goes_after_what_came_meanwhile(database: str) -> None:
    async with open_pool(database, 2) as pool:
        uploads, media = PostgresUploads(pool), PostgresMedia(pool)
        old = await bring(uploads, ADA)
        failed = await media.claim(60_000)
        young = await bring(uploads, BEN)
        assert failed
        await media.postpone(failed, 0, None)
        claimed = [await media.claim(60_000) for _ in range(2)]
    assert [job and job.media for job in claimed] == [young, old]
