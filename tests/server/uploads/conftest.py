"""A served rig, and two people on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.http.stack import Client, sign_up
from tests.server.uploads.rig import Rig, Uploader, opened


@pytest.fixture
async def rig(module_database: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with opened(module_database, tmp_path / "objects") as rig:
        # Its people are those of every other test too.
        await rig.pool.execute("truncate upload, media")
        yield rig


@pytest.fixture
async def client(rig: Rig) -> AsyncIterator[Client]:
    async with rig.stack.served() as client:
        yield client


@pytest.fixture
async def ada(client: Client) -> Uploader:
    return Uploader(client, (await sign_up(client, "ada")).token)


@pytest.fixture
async def bob(client: Client) -> Uploader:
    return Uploader(client, (await sign_up(client, "bob")).token)
