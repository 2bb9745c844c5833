"""What Postgres says of its own work: how often it made its log durable, and by which settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import msgspec

from config.settings import load

SETTINGS = ("fsync", "synchronous_commit", "wal_sync_method")
FSYNCS = "select sum(fsyncs) from pg_stat_io where object = 'wal'"
"""Since Postgres 18; null before. A backend adds its own when a statement ends, once a second at most."""


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
