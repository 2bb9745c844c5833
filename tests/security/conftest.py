"""What is attacked: an installation as it comes, one that grants little, and the HTTP interface by itself."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.security.watch import Watched
from tests.server.http.stack import Client, Stack

GRANTS_LITTLE = {
    "GATEWAY__HELLO_MS": 1_000,
    "GATEWAY__MAX_CONNECTIONS": 3,
    "GATEWAY__MAX_HTTP": 2,
}


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """With the settings that it comes with."""
    running = Watched(tmp_path_factory.mktemp("node"), {}, 700).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Three sockets, two HTTP connections, and a second for hello."""
    running = Watched(tmp_path_factory.mktemp("tight"), GRANTS_LITTLE, 20).start()
    yield running
    running.stop()


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    async with stack.served() as client:
        yield client
