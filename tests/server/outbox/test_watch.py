"""What is seen of the outbox, and what is dropped from it."""

import asyncio

from prometheus_client import generate_latest

from server.observe import Metrics
from tests.cluster.external_nats import ExternalNats
from tests.server.outbox.rig import Ground
from tests.until import until


async def test_lag_and_what_was_done_stand_in_the_metrics(ground: Ground, nats: ExternalNats) -> None:
    metrics = Metrics()
    async with ground.node(nats.url) as node:
        node.expose(metrics)
        await until(lambda: node.stream.ready)
        await ground.add(b"a", b"b", b"poison")
        await ground.finished()
        await ground.add(b"c")
        await node.watch.look()
        said = generate_latest(metrics.registry()).decode().splitlines()
    assert "tidings_dead_letters 1.0" in said
    assert "tidings_outbox_stream 1.0" in said
    assert "tidings_outbox_published_total 3.0" in said
    assert "tidings_outbox_handled_total 2.0" in said
    assert any(line.startswith("tidings_outbox_oldest_seconds ") for line in said)
    assert any(line.startswith("tidings_outbox_waiting ") for line in said)


async def test_events_that_nobody_reads_are_dropped_after_a_day(ground: Ground) -> None:
    await ground.store.add("unread", [b"old"])
    await ground.pool.execute("update outbox set at = at - interval '25 hours'")
    await ground.store.add("unread", [b"new"])
    async with ground.node(""):
        async with asyncio.timeout(10):
            while await ground.pool.fetchval("select count(*) from outbox") > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert await ground.pool.fetchval("select body from outbox") == b"new"
