"""Each test of a contract runs on every store that claims to keep it."""

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.contracts.grounds import Ground, MemoryGround, PostgresGround, Users

_users = itertools.count(1)


@pytest.fixture(params=["memory", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the store keeps its rows: None is in memory."""
    return request.getfixturevalue("module_database") if request.param == "postgres" else None


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[Ground]:
    """A conversation store and what only its keeper can do to it."""
    if url is None:
        yield MemoryGround()
        return
    async with PostgresGround(url) as ground:
        yield ground


@pytest.fixture
def users() -> Users:
    """People nobody else uses: the databases are shared by many tests."""
    return Users(next(_users))
