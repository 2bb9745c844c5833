import asyncio
from pathlib import Path

import asyncpg
import pytest

from persistence.migrate import LOCK, MIGRATIONS, MigrationError, migrate, pending, read

FIRST = (
    "-- migrate:up\ncreate table first (i int);\ninsert into first values (1);\n-- migrate:down\ndrop table first;\n"
)
SECOND = "-- migrate:up\ncreate table second (i int);\n"


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.sql").write_text(text)
    return path


async def versions(connection: asyncpg.Connection) -> list[str]:
    return [row["version"] for row in await connection.fetch("select version from schema_migrations order by version")]


async def test_files_are_applied_once_in_the_order_of_their_versions(bare_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(bare_database)
    where = folder(tmp_path, **{"2_second": "-- migrate:up\ninsert into first values (2);", "1_first": FIRST})
    assert await migrate(connection, where) == ["1_first.sql", "2_second.sql"]
    assert await migrate(connection, where) == []
    assert await connection.fetchval("select sum(i) from first") == 3
    assert await versions(connection) == ["1", "2"]
    await connection.close()


async def test_a_file_that_comes_later_with_an_older_version_is_applied_too(bare_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(bare_database)
    await migrate(connection, folder(tmp_path, **{"2_second": SECOND}))
    assert await migrate(connection, folder(tmp_path, **{"1_first": FIRST})) == ["1_first.sql"]
    await connection.close()


async def test_what_is_pending_can_be_asked_without_changing_anything(bare_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(bare_database)
    where = folder(tmp_path, **{"1_first": FIRST})
    assert [migration.name for migration in await pending(connection, where)] == ["1_first.sql"]
    assert await connection.fetchval("select to_regclass('schema_migrations')") is None
    await migrate(connection, where)
    assert await pending(connection, where) == []
    await connection.close()


async def test_a_migration_that_fails_leaves_no_trace_and_those_before_it_stay(
    bare_database: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(bare_database)
    broken = "-- migrate:up\ncreate table half (i int);\nselect no_such_thing;"
    where = folder(tmp_path, **{"1_first": FIRST, "2_broken": broken, "3_third": SECOND})
    with pytest.raises(MigrationError, match=r'2_broken\.sql failed: column "no_such_thing" does not exist'):
        await migrate(connection, where)
    assert await versions(connection) == ["1"]
    assert await connection.fetchval("select to_regclass('half')") is None
    folder(tmp_path, **{"2_broken": "-- migrate:up\ncreate table half (i int);"})
    assert await migrate(connection, where) == ["2_broken.sql", "3_third.sql"]
    await connection.close()


async def test_of_many_who_start_at_once_each_file_is_applied_by_one(bare_database: str, tmp_path: Path) -> None:
    where = folder(tmp_path, **{"1_first": FIRST, "2_second": SECOND})
    connections = [await asyncpg.connect(bare_database) for _ in range(5)]
    done = await asyncio.gather(*(migrate(connection, where) for connection in connections))
    assert sorted(name for names in done for name in names) == ["1_first.sql", "2_second.sql"]
    assert await connections[0].fetchval("select count(*) from first") == 1
    for connection in connections:
        await connection.close()


async def test_who_waits_too_long_for_another_is_told(bare_database: str, tmp_path: Path) -> None:
    other = await asyncpg.connect(bare_database)
    await other.execute("select pg_advisory_lock($1)", LOCK)
    connection = await asyncpg.connect(bare_database)
    with pytest.raises(MigrationError, match="Somebody else has been migrating"):
        await migrate(connection, folder(tmp_path, **{"1_first": FIRST}), patience=0)
    await other.close()
    await connection.close()


async def test_a_statement_that_refuses_transactions_can_run_while_another_waits(
    bare_database: str, tmp_path: Path
) -> None:
    index = "-- migrate:up transaction:false\ncreate index concurrently on first (i);\n"
    where = folder(tmp_path, **{"1_first": FIRST, "2_index": index})
    connections = [await asyncpg.connect(bare_database) for _ in range(2)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(migrate(connection, where) for connection in connections))
    assert await connections[0].fetchval("select indisvalid from pg_index where indrelid = 'first'::regclass")
    for connection in connections:
        await connection.close()


async def test_the_statement_timeout_is_lifted_for_migrations_only(bare_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(bare_database, server_settings={"statement_timeout": "100ms"})
    await migrate(connection, folder(tmp_path, **{"1_slow": "-- migrate:up\nselect pg_sleep(0.2);"}))
    assert await connection.fetchval("show statement_timeout") == "100ms"
    await connection.close()


async def test_the_lock_is_given_back_after_a_failure(bare_database: str, tmp_path: Path) -> None:
    connection = await asyncpg.connect(bare_database)
    with pytest.raises(MigrationError):
        await migrate(connection, folder(tmp_path, **{"1_broken": "-- migrate:up\nselect no_such_thing;"}))
    other = await asyncpg.connect(bare_database)
    assert await other.fetchval("select pg_try_advisory_lock($1)", LOCK)
    await other.close()
    await connection.close()


def test_only_the_way_up_is_read_and_an_empty_line_between_does_no_harm(tmp_path: Path) -> None:
    where = folder(
        tmp_path, **{"001_first": "-- a comment\n\n--migrate:up\nselect 1;\n\n--  migrate:down\nselect 2;\n"}
    )
    (migration,) = read(where)
    assert (migration.version, migration.up, migration.transaction) == ("001", "select 1;", True)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"first": FIRST}, r"first\.sql must begin with its version"),
        ({"1_first": "create table first (i int);"}, r"1_first\.sql has no line '-- migrate:up'"),
        ({"1_first": FIRST, "1_second": SECOND}, r"1_second\.sql and 1_first\.sql have the same version"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    with pytest.raises(MigrationError, match=complaint):
        read(folder(tmp_path, **files))


async def test_the_migrations_of_the_project_leave_nothing_pending(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await pending(connection) == []
    assert await versions(connection) == [migration.version for migration in read(MIGRATIONS)]
    await connection.close()
