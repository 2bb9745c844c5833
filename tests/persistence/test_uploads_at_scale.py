"""What uploads ask touches the rows of the upload or of its owner, however many there are of others."""

import asyncpg

from persistence.media.statements import CLAIM
from persistence.pool import open_pool
from persistence.uploads import statements
from tests.persistence.plans import plan, work

UPLOADS, PEOPLE = 50_000, 5_000
ONE = 25_000


async def test_no_statement_reads_uploads_of_others(database: str) -> None:
    await _fill(database)
    owner = ONE % PEOPLE
    asked: dict[str, tuple[str, tuple[object, ...], int]] = {
        "look": (statements.LOOK, (ONE, owner), 2),
        "foreign": (statements.LOOK, (ONE, owner + 1), 2),
        "spent": (statements.SPENT, (owner,), 15),
        "give_way": (statements.GIVE_WAY, (owner,), 40),
        "known": (statements.KNOWN, (owner, "cid"), 2),
        "claim": (statements.CLAIM, (ONE, owner, 0, 5_000), 4),
        "hold": (statements.HOLD, (ONE, 1, 5_000), 4),
        "accept": (statements.ACCEPT, (ONE, 1, 0, 5, "", "image/jpeg", 5_000), 4),
        "release": (statements.RELEASE, (ONE, 1), 4),
        "expired": (statements.EXPIRED, (10,), 50),
        "finish": (statements.FINISH, (ONE, 1, 0, "", "image/jpeg"), 40),
        "drop": (statements.DROP, ([3, 4],), 8),
        "end": (statements.END, (ONE, owner), 4),
    }
    async with open_pool(database, 1) as pool:
        for name, (statement, arguments, most) in asked.items():
            await plan(pool, f"asking_{name}", statement, *arguments)
            assert await work(pool, f"asking_{name}", *arguments) <= most, name


async def test_whose_turn_it_is_is_found_without_reading_all_that_wait(database: str) -> None:
    """Also by the plan that a connection made when the table was empty, and keeps."""
    async with open_pool(database, 1) as pool:
        await plan(pool, "claim", CLAIM, 10_000)
        await _fill(database)
        assert await work(pool, "claim", 10_000) <= 8


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        f"""insert into upload (id, owner, length, expires_at, media)
        select n, n % {PEOPLE}, 100, statement_timestamp() + (n - 5) * interval '1 s', case when n % 5 <> 0 then n end
        from generate_series(1, {UPLOADS}) n"""
    )
    await connection.execute("insert into media (id, owner, bytes) select id, owner, 100 from upload where media = id")
    await connection.close()
