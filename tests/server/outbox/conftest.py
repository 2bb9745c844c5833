"""What the tests of the outbox stand on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from persistence.pool import open_pool
from tests.cluster.external_nats import ExternalNats
from tests.server.outbox.rig import CONSUMER, TOPIC, Ground


@pytest.fixture
async def ground(database: str) -> AsyncIterator[Ground]:
    async with open_pool(database, 8) as pool:
        await pool.execute("create table effect (id bigint primary key, body bytea)")
        ground = Ground(pool)
        await ground.store.register({CONSUMER: TOPIC})
        yield ground


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[ExternalNats]:
    """One with JetStream."""
    with ExternalNats(tmp_path / "jetstream") as nats:
        yield nats
