"""Fixtures for every room: a real Postgres for the session, and fresh databases on it."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

from persistence.migrate import migrate
from server.embedded import EmbeddedPostgres

set_hypothesis_home_dir(Path(__file__).parents[1] / ".tidings" / "hypothesis")

# The same examples every time, and none fails because the machine stood still for a moment. New ones are
# looked for with `--hypothesis-profile=search`.
settings.register_profile("search", settings.get_profile("ci"), derandomize=False)
settings.load_profile("ci")

TEMPLATE = "migrated"

PATIENT = {"statement_timeout": "2min", "lock_timeout": "1min", "idle_in_transaction_session_timeout": "2min"}
"""Of a test's own connections: how long it takes to fill a table says nothing. Pools of ours bring their own limits."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for all tests of this process; tests that break a server start their own.

    It may lose what it has with its machine: to wait for the disk takes longer than most tests. Nobody vacuums by
    himself: what a statement costs would depend on whether he came by.
    """
    with _serving(tmp_path_factory.mktemp("embedded"), PATIENT | {"fsync": "off", "autovacuum": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def durable_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One whose commits wait for the disk, as those of an installation do, with the template."""
    with _serving(tmp_path_factory.mktemp("durable"), PATIENT) as server:
        asyncio.run(_make_template(server))
        yield server


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """The name of a database with all migrations applied, to be copied."""
    asyncio.run(_make_template(postgres))
    return TEMPLATE


@pytest.fixture
async def database(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty database of this test's own."""
    name = await _create(postgres, template)
    yield postgres.url(name)
    await _drop(postgres, name)


@pytest.fixture(scope="module")
def module_database(postgres: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The same, shared by the tests of one module, which must not mind each other's rows."""
    name = asyncio.run(_create(postgres, template))
    yield postgres.url(name)
    asyncio.run(_drop(postgres, name))


@pytest.fixture
async def durable_database(durable_postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The same, on a server that nodes accept."""
    name = await _create(durable_postgres, TEMPLATE)
    yield durable_postgres.url(name)
    await _drop(durable_postgres, name)


@pytest.fixture
async def bare_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a database without any table, of this test's own."""
    name = await _create(postgres, "template1")
    yield postgres.url(name)
    await _drop(postgres, name)


@contextmanager
def _serving(data: Path, settings: dict[str, str]) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data, settings)
    asyncio.run(server.start())
    asyncio.run(_execute(server.url("postgres", "postgres"), "alter role tidings createdb"))
    yield server
    asyncio.run(server.stop())
    shutil.rmtree(data)


async def _make_template(postgres: EmbeddedPostgres) -> None:
    await _execute(postgres.url(), f"create database {TEMPLATE}")
    connection = await asyncpg.connect(postgres.url(TEMPLATE))
    await migrate(connection)
    await connection.close()


async def _create(postgres: EmbeddedPostgres, template: str) -> str:
    name = f"copy_{next(_numbers)}"
    await _execute(postgres.url(), f"create database {name} template {template} strategy file_copy")
    return name


async def _drop(postgres: EmbeddedPostgres, name: str) -> None:
    """By the superuser: a worker of autovacuum may be in it, which nobody else may end."""
    await _execute(postgres.url("postgres", "postgres"), f"drop database {name} with (force)")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
