from pathlib import Path

import asyncpg
import pytest

from persistence.durability import DurabilityError, check_durability
from server.embedded import EmbeddedPostgres


async def test_a_server_that_keeps_what_it_commits_is_accepted(durable_database: str) -> None:
    connection = await asyncpg.connect(durable_database)
    await check_durability(connection)
    await connection.close()


async def test_a_role_that_does_not_wait_for_the_disk_is_refused(durable_database: str) -> None:
    connection = await asyncpg.connect(durable_database, server_settings={"synchronous_commit": "off"})
    with pytest.raises(DurabilityError, match="Postgres has synchronous_commit off"):
        await check_durability(connection)
    await connection.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_may_lose_data_is_refused(setting: str, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", {setting: "off"})
    connection = await asyncpg.connect(await server.start())
    with pytest.raises(DurabilityError, match=f"Postgres has {setting} off"):
        await check_durability(connection)
    await connection.close()
    await server.stop()
