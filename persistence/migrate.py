"""Bring the schema up to date: plain SQL files in the format of dbmate, which can run the same files.

A file is named `VERSION_name.sql`; its part after `-- migrate:up` runs once, in the order of the versions, each file
in a transaction of its own together with its row in `schema_migrations`. `-- migrate:up transaction:false` is for the
one statement that refuses a transaction (create index concurrently). Ways back (`-- migrate:down`) are dbmate's to run.
"""

import asyncio
import re
import time
from pathlib import Path

import asyncpg
from msgspec import Struct

MIGRATIONS = Path(__file__).parent / "migrations"

LOCK = 0x746964696E6773
"""The advisory lock of all who migrate a database: "tidings" in ASCII."""

PATIENCE_S = 600.0
"""How long to wait while somebody else migrates."""

_UP = re.compile(r"^--[ \t]*migrate:up\b(?P<options>[^\n]*)$", re.MULTILINE)
_DOWN = re.compile(r"^--[ \t]*migrate:down\b", re.MULTILINE)
_NAME = re.compile(r"(?P<version>\d+)\D.*\.sql")


class MigrationError(Exception):
    """A migration is unreadable or failed; the message names its file."""


class Migration(Struct, frozen=True):
    """One file: the version that orders it, and what it does."""

    version: str
    name: str
    up: str
    transaction: bool


def read(folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of a folder in their order. Raises MigrationError."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        migration = _parse(path)
        if migration.version in found:
            raise MigrationError(
                f"{path.name} and {found[migration.version].name} have the same version: renumber one."
            )
        found[migration.version] = migration
    return list(found.values())


async def pending(connection: asyncpg.Connection, folder: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of the folder that this database has not seen, in their order."""
    migrations = read(folder)
    if not await connection.fetchval("select to_regclass('schema_migrations') is not null"):
        return migrations
    done = {row["version"] for row in await connection.fetch("select version from schema_migrations")}
    return [migration for migration in migrations if migration.version not in done]


async def migrate(connection: asyncpg.Connection, folder: Path = MIGRATIONS, patience: float = PATIENCE_S) -> list[str]:
    """Apply what is pending and return the names of those files. Whoever comes second waits, then finds nothing to do.

    `connection` must be in no transaction; its statement_timeout is lifted meanwhile. A migration that failed leaves no
    trace, those before it stay. Raises MigrationError.
    """
    await connection.execute("set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
    await _lock(connection, patience)
    try:
        await connection.execute("create table if not exists schema_migrations (version varchar primary key)")
        todo = await pending(connection, folder)
        for migration in todo:
            await _apply(connection, migration)
        return [migration.name for migration in todo]
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock_all()")
            await connection.execute("reset statement_timeout; reset idle_in_transaction_session_timeout")


async def _lock(connection: asyncpg.Connection, patience: float) -> None:
    """Take the lock by trying: one who waited inside a statement would hold a snapshot, and an index that is built
    concurrently under the lock would wait for that snapshot for ever."""
    deadline = time.monotonic() + patience
    while not await connection.fetchval("select pg_try_advisory_lock($1)", LOCK):
        if time.monotonic() > deadline:
            raise MigrationError(
                f"Somebody else has been migrating this database for {patience:.0f} s: look who it is."
            )
        await asyncio.sleep(0.05)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    done = "insert into schema_migrations (version) values ($1)"
    try:
        if migration.transaction:
            async with connection.transaction():
                await connection.execute(migration.up)
                await connection.execute(done, migration.version)
        else:
            await connection.execute(migration.up)
            await connection.execute(done, migration.version)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"Migration {migration.name} failed: {error}.") from error


def _parse(path: Path) -> Migration:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise MigrationError(f"{path.name} must begin with its version, digits: 0001_{path.name}.")
    text = path.read_text("utf-8")
    up = _UP.search(text)
    if up is None:
        raise MigrationError(f"{path.name} has no line '-- migrate:up'.")
    down = _DOWN.search(text, up.end())
    body = text[up.end() : down.start() if down else len(text)]
    return Migration(named["version"], path.name, body.strip(), "transaction:false" not in up["options"].split())
