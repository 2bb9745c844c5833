"""The promise of docs/reliability.md across nodes: whatever fails between them, what was acked is there once."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.cluster.external_nats import ExternalNats
from tests.cluster.looking import apart, total
from tests.cluster.talker import Talker, check
from tests.server.running import Installation
from tests.until import until

MESSAGES = 10_000
PER_S = 200
UNDISTURBED = 500
SCANS, FRAMES = "tidings_log_scans_total", "tidings_link_frames_received_total"
FAST = {"GATEWAY__REQUESTS_PER_S": 100_000, "GATEWAY__BURST": 100_000}


async def _troubles(installation: Installation, nats: ExternalNats) -> None:
    """A node dies and comes back, NATS is away for 20 s, a node stands still for 15 s."""
    first, second = installation.node_pid(1), installation.node_pid(2)
    os.kill(first, signal.SIGKILL)
    await asyncio.to_thread(installation.await_node, 1, first)
    await asyncio.to_thread(nats.stop)
    # Without NATS each node scans the log each second.
    scans = total(installation, SCANS) + 20 * installation.nodes
    await until(lambda: total(installation, SCANS) >= scans, 40, blocks=True, every_s=0.1)
    before = total(installation, FRAMES)
    await asyncio.to_thread(nats.start)
    await until(lambda: total(installation, FRAMES) > before, blocks=True)
    os.kill(second, signal.SIGSTOP)
    # Nothing tells how long a node has stood still, which is what is tried here.
    await asyncio.sleep(15)
    os.kill(second, signal.SIGCONT)


@pytest.mark.verify
async def test_what_is_acked_between_two_nodes_is_there_once_and_in_order_on_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExternalNats() as nats:
        installation = Installation(tmp_path, FAST | {"NATS__URL": nats.url}, nodes=2).start()
        try:
            ada, ben = apart(installation)
            a, b = (
                Talker(installation.url, person["access_token"], name, MESSAGES, PER_S)
                for person, name in ((ada, "ada"), (ben, "ben"))
            )
            async with asyncio.timeout(240), a.client, b.client:
                conversation = (await a.client.open(ben["user"])).id
                async with asyncio.TaskGroup() as group:
                    for talker in (a, b):
                        group.create_task(talker.talk(conversation))
                        group.create_task(talker.listen(2 * MESSAGES))
                    await until(lambda: min(len(a.acked), len(b.acked)) >= UNDISTURBED)
                    group.create_task(_troubles(installation, nats))
            check(a, b)
            frames, repaired = total(installation, FRAMES), total(installation, "tidings_repaired_events_total")
            with capsys.disabled():
                print(f"\n{frames:.0f} frames over links, {repaired:.0f} events repaired by the log scan")
            assert frames > 0
            assert repaired > 0
        finally:
            installation.stop()
