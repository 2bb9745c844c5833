"""What only the database can tell or be given: its own work, whom people follow, activities and what became of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec

from config.settings import load
from protocol.activity import ACTIVITY

SETTINGS = ("fsync", "synchronous_commit", "wal_sync_method")
FSYNCS = "select sum(fsyncs) from pg_stat_io where object = 'wal'"
"""Since Postgres 18; null before. A backend adds its own when a statement ends, once a second at most."""
WAITING = "select (select count(*) from outbox) + (select coalesce(sum(events), 0) from outbox_message)"


class Log(msgspec.Struct, frozen=True):
    """Fsyncs of the write-ahead log so far, None where Postgres does not count them, and the settings that matter."""

    fsyncs: int | None
    settings: str


def address(data: Path) -> str:
    """The URL of the database of the installation in `data`, or of that in the environment; empty without either."""
    file = data / "tidings.toml"
    return str(load(file if file.exists() else None, os.environ, required=()).postgres.url)


async def read_log(url: str) -> Log:
    """The log now. Raises asyncpg.PostgresError or OSError when the database cannot be asked."""
    connection = await asyncpg.connect(url)
    try:
        settings = [f"{name} {await connection.fetchval(f'show {name}')}" for name in SETTINGS]
        fsyncs = await connection.fetchval(FSYNCS)
        return Log(None if fsyncs is None else int(fsyncs), ", ".join(settings))
    finally:
        await connection.close()


async def put_in_outbox(connection: asyncpg.Connection, activities: Sequence[bytes]) -> None:
    """Publish encoded activities in one transaction, as whoever made them would."""
    await connection.execute("insert into outbox (topic, body) select $1, unnest($2::bytea[])", ACTIVITY, activities)


async def waiting_in_outbox(connection: asyncpg.Connection) -> int:
    """Events that are not handled yet."""
    return int(await connection.fetchval(WAITING))


async def folded(connection: asyncpg.Connection) -> int:
    """Events that are counted in groups."""
    return int(await connection.fetchval("select coalesce(sum(members), 0) from notification"))


async def grouped(connection: asyncpg.Connection) -> tuple[int, int]:
    """Groups of the list, and the people counted in them."""
    row = await connection.fetchrow("select count(*), coalesce(sum(members), 0)::bigint from notification")
    return int(row[0]), int(row[1])


class Liking(msgspec.Struct, frozen=True):
    """Likes of one post: those that there are, the folded total, and that with what is not folded yet."""

    edges: int
    total: int
    exact: int


async def folded_likes(connection: asyncpg.Connection, post: str) -> Liking:
    """As of one moment."""
    row = await connection.fetchrow(
        """select (select count(*) from post_like where post = $1), coalesce(sum(total), 0)::bigint,
          (coalesce(sum(total), 0) + (select coalesce(sum(change), 0) from tally_change
            where thing = $1 and kind = 'likes'))::bigint
        from tally where thing = $1 and kind = 'likes'""",
        int(post),
    )
    return Liking(*row)


async def waiting_for_locks(connection: asyncpg.Connection) -> int:
    """Statements that wait for a lock now."""
    statement = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    return int(await connection.fetchval(statement))


async def follow_each_other(url: str, people: Sequence[str], each: int) -> None:
    """Have everybody and the `each` who come after them, in a ring, follow each other."""
    ids = [int(person) for person in people]
    pairs = {
        pair
        for place, one in enumerate(ids)
        for other in (ids[(place + step) % len(ids)] for step in range(1, each + 1))
        for pair in ((one, other), (other, one))
    }
    # A million rows take longer than a statement may that somebody waits for.
    connection = await asyncpg.connect(url, server_settings={"statement_timeout": "120s"})
    try:
        await connection.copy_records_to_table("follow", columns=("follower", "followee"), records=sorted(pairs))
    finally:
        await connection.close()
