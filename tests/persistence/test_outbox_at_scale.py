"""What the statements of the outbox cost does not grow with what waits in it."""

import pytest

from persistence.outbox import postgres as outbox
from persistence.outbox.contract import MOST_EVENTS
from persistence.outbox.postgres import PostgresOutbox
from persistence.pool import open_pool
from tests.persistence.plans import plan, work


@pytest.mark.parametrize("waiting", [2 * MOST_EVENTS, 50 * MOST_EVENTS])
async def test_packing_touches_the_events_that_it_packs_and_no_others(database: str, waiting: int) -> None:
    async with open_pool(database, 1) as pool:
        store = PostgresOutbox(pool)
        await store.register({"reader": "read"})
        await plan(pool, "pack", outbox._PACK, "read")
        for topic in ("before", "read", "unread"):
            for _ in range(waiting // MOST_EVENTS):
                await store.add(topic, [b"x"] * MOST_EVENTS)
        await plan(pool, "waiting", outbox._WAITING, ["read", "unread", "nothing"])
        assert await work(pool, "waiting", ["read", "unread", "nothing"]) <= 20
        # Each is found, locked, put into the list of places, deleted, and gathered.
        assert await work(pool, "pack", "read") <= 12 * MOST_EVENTS
        await plan(pool, "forget", outbox._FORGET, 86_400_000)
        assert await work(pool, "forget", 86_400_000) <= 12 * MOST_EVENTS
        await plan(pool, "lag", outbox._LAG, 100)
        assert await work(pool, "lag", 100) <= 1_000
