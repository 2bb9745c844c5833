"""`tidings admin media`, on a database."""

import asyncio
from pathlib import Path

import asyncpg
import click
import pytest

from config.settings import Settings, load
from server.media.blocking import block, unblock

HASH, BY_ID = "0f" * 32, "f0" * 32


@pytest.fixture
def settings(module_database: str) -> Settings:
    return load(Path("/dev/null"), {"TIDINGS_POSTGRES__URL": module_database}, required=())


def test_a_picture_is_blocked_by_its_hash_and_no_longer(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    block(settings, HASH, "why")
    block(settings, HASH.upper(), "")
    unblock(settings, HASH)
    unblock(settings, HASH)
    said = capsys.readouterr().out.splitlines()
    expected = ("is blocked: ", "is blocked already", "is blocked no longer", "was not blocked")
    assert all(line.startswith(f"{HASH} {words}") for line, words in zip(said, expected, strict=True))


def test_a_picture_is_blocked_by_its_id(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    async def insert() -> None:
        connection = await asyncpg.connect(str(settings.postgres.url))
        bits = asyncpg.BitString.frombytes(bytes.fromhex(BY_ID))
        await connection.execute("insert into media (id, owner, bytes, perceptual) values (7, 1, 1, $1)", bits)
        await connection.execute("insert into media (id, owner, bytes) values (8, 1, 1)")
        await connection.close()

    asyncio.run(insert())
    block(settings, "7", "")
    assert BY_ID in capsys.readouterr().out
    for named in ("8", "9", "x", "0f0f", "-7"):
        with pytest.raises(click.ClickException) as refusal:
            block(settings, named, "")
        assert named in str(refusal.value)
