"""Whose picture is worked for next: nobody waits for all that somebody else has brought."""

from persistence.media.postgres import PostgresMedia
from persistence.pool import open_pool
from persistence.uploads.postgres import PostgresUploads, Quota, Upload
from protocol.ids import UserId

ADA, BEN = UserId("1024"), UserId("2048")


async def test_who_brings_much_is_worked_for_between_others(database: str) -> None:
    async with open_pool(database, 2) as pool:
        uploads, media = PostgresUploads(pool), PostgresMedia(pool)

        async def bring(owner: UserId) -> None:
            made = await uploads.create(owner, 5, "", 60, Quota(100_000, 100))
            assert isinstance(made, Upload)
            claimed = await uploads.claim(made.id, owner, 0, 60_000)
            assert claimed
            assert await uploads.finish(claimed, 0)

        for _ in range(30):
            await bring(ADA)
        await bring(BEN)
        claimed = [await media.claim(60_000) for _ in range(31)]
        owners = [job.owner for job in claimed if job]
    assert len(owners) == 31
    # Each of Ada's is a second behind the one before; this took less than half of them.
    assert owners.index(BEN) < 15
