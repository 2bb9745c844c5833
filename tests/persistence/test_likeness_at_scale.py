"""Finding what looks like a picture among very many: a walk along indexes, as quick whatever is found."""

import os
import random
from time import perf_counter

import asyncpg
import pytest

from persistence.media.likeness import PostgresLikeness
from persistence.media.statements import NEAR, PARTS
from persistence.pool import open_pool
from protocol.ids import UserId
from protocol.media import MediaId

BLOCKED = int(os.environ.get("TIDINGS_TEST_BLOCKED", "100000"))
"""With 1,000,000, as docs/performance.md has it, filling takes a minute."""
OWNER, OWNED = UserId(str(1 << 40)), 10_000
WITHIN_S = 0.06

_RANDOM = "('x' || md5(random()::text) || md5(random()::text))::bit(256)"


@pytest.mark.verify
async def test_what_looks_like_a_blocked_picture_is_found_among_very_many(database: str) -> None:
    connection = await asyncpg.connect(database)
    indexes = await connection.fetch("select indexdef from pg_indexes where indexname like 'blocked_picture_part%'")
    assert len(indexes) == PARTS
    for part in range(PARTS):
        await connection.execute(f"drop index blocked_picture_part_{part}")
    await connection.execute(f"insert into blocked_picture (hash) select {_RANDOM} from generate_series(1, {BLOCKED})")
    for index in indexes:
        await connection.execute(index["indexdef"])
    known = [row["hash"].bytes for row in await connection.fetch("select hash from blocked_picture limit 20")]
    await connection.close()
    drawn = random.Random(1)
    async with open_pool(database, 1) as pool:
        likeness = PostgresLikeness(pool)
        took = []
        for hash in known:
            begun = perf_counter()
            assert await likeness.blocked(changed(hash, NEAR, drawn))
            assert not await likeness.blocked(drawn.randbytes(32))
            took.append((perf_counter() - begun) / 2)
    print(f"{BLOCKED:,} blocked: {sorted(took)[len(took) // 2] * 1_000:.1f} ms")
    assert min(took) < WITHIN_S


async def test_others_of_somebodys_pictures_that_look_alike_are_found(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        f"""insert into media (id, owner, bytes, state, perceptual) select n, $1, 1, 'ready', {_RANDOM}
        from generate_series(1, {OWNED}) n""",
        int(OWNER),
    )
    await connection.execute("vacuum media")
    hash = (await connection.fetchval("select perceptual from media where id = 77")).bytes
    await connection.close()
    drawn = random.Random(1)
    async with open_pool(database, 1) as pool:
        likeness, took = PostgresLikeness(pool), []
        for _ in range(5):
            begun = perf_counter()
            assert await likeness.alike(OWNER, MediaId("9"), changed(hash, NEAR, drawn)) == ["77"]
            assert await likeness.alike(OWNER, MediaId("77"), changed(hash, NEAR, drawn)) == []
            assert await likeness.alike(UserId("5"), MediaId("9"), hash) == []
            took.append((perf_counter() - begun) / 2)
    assert min(took) < WITHIN_S


async def test_as_far_as_they_may_differ_pictures_are_found_and_not_further(database: str) -> None:
    drawn = random.Random(2)
    async with open_pool(database, 1) as pool:
        likeness = PostgresLikeness(pool)
        for _ in range(30):
            hash = drawn.randbytes(32)
            assert await likeness.block(hash, "")
            assert not await likeness.block(hash, "again")
            assert await likeness.blocked(changed(hash, NEAR, drawn))
            assert not await likeness.blocked(changed(hash, NEAR + 1, drawn))
            # All in as few parts as can be, and one in each.
            assert await likeness.blocked((int.from_bytes(hash) ^ (1 << NEAR) - 1).to_bytes(32))
            assert await likeness.unblock(hash)
            assert not await likeness.blocked(hash)
        with pytest.raises(ValueError, match="32 bytes"):
            await likeness.blocked(b"short")


def changed(hash: bytes, bits: int, drawn: random.Random) -> bytes:
    number = int.from_bytes(hash)
    for place in drawn.sample(range(256), bits):
        number ^= 1 << place
    return number.to_bytes(32)
