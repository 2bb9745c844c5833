"""One installation for all tests of this folder in this process that do not break it."""

from collections.abc import Iterator

import pytest

from tests.server.running import Installation

# Tests say in a moment what people say in a day.
FAST = {"GATEWAY__REQUESTS_PER_S": 5_000, "GATEWAY__BURST": 10_000}


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("installation"), FAST).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def people(installation: Installation, request: pytest.FixtureRequest) -> list[dict[str, str]]:
    """Twelve people of this module's own."""
    prefix = request.module.__name__.rpartition("_")[2][:20]
    return installation.mint(12, prefix)
