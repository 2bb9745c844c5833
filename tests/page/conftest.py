"""One installation for all tests of the page."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips  # type: ignore[import-untyped]  # it ships no types
from playwright.async_api import Browser

from tests.page.browsing import chromium
from tests.server.running import Installation

LARGEST = 6_000_000
INTRODUCED, BESIDE = "host", "guest"


@pytest.fixture(scope="package")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    settings = {"UPLOADS__FILE_BYTES": LARGEST, "FEED__INTRODUCE": f"{INTRODUCED},{BESIDE}"}
    installed = Installation(tmp_path_factory.mktemp("page"), settings, nodes=2).start()
    yield installed
    installed.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Large enough that it goes in several pieces."""
    y, x = np.mgrid[0:1500, 0:2000]
    noise = np.random.default_rng(5).integers(0, 60, x.shape)
    pixels = np.dstack([x // 10 + noise, y // 10 + noise, 200 - x // 16 + noise]).clip(0, 255).astype(np.uint8)
    path = tmp_path / "harbour.jpg"
    pyvips.Image.new_from_array(pixels).jpegsave(str(path), Q=92)
    return path


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = tmp_path / "shots"
    folder.mkdir()
    return folder
