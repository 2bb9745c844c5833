"""Many pushes that wait: what a look costs depends on what it takes, by a plan made when the tables were empty."""

import asyncpg
import pytest

from persistence.pool import open_pool
from persistence.push import statements
from persistence.push.contract import ATTEMPTS
from tests.persistence.plans import plan, work

WAIT, TAKEN = 20_000, 20
ASKED: dict[str, tuple[str, tuple[object, ...]]] = {
    "expand": (statements.EXPAND, (TAKEN,)),
    "claim": (statements.CLAIM, ("fcm", TAKEN, 60_000, ATTEMPTS)),
    "expire": (statements.EXPIRE, (TAKEN,)),
}
EACH = 40
"""Rows handled for each that is taken: 3 to 30."""


@pytest.mark.parametrize("name", ASKED)
async def test_what_is_taken_of_many_that_wait_is_walked_to_by_key(database: str, name: str) -> None:
    statement, arguments = ASKED[name]
    async with open_pool(database, 1) as one:
        await plan(one, name, statement, *arguments)
        await _fill(database)
        assert TAKEN < await work(one, name, *arguments) < EACH * TAKEN


async def _fill(url: str) -> None:
    """Everybody has a phone; a job waits, and a delivery of another one, both about several notifications."""
    connection = await asyncpg.connect(url)
    for statement in (
        "insert into account (id, username) select n, n from numbers n",
        "insert into login (id, account, family, secret) select n, n, n::text::bytea, '' from numbers n",
        "insert into device (id, user_id, login, platform, address) select n, n, n, 'fcm', n::text from numbers n",
        "insert into notification (id, user_id, kind, members, opened_at, updated_at)"
        " select n, n, 'like', 1, 0, 0 from numbers n",
        "insert into push_job (user_id, key, kind, collapse, body, expires_at, state, summary)"
        " select n, state, 'like', 'notifications', '', now() + interval '1 day', state, array[n, n + 1]"
        " from numbers n cross join unnest(array['waiting', 'expanded']) s (state)",
        "insert into push_delivery (job, provider, device) select id, 'fcm', user_id from push_job"
        " where state = 'expanded'",
    ):
        await connection.execute(statement.replace("numbers n", f"generate_series(1::bigint, {WAIT}) n"))
    await connection.close()
