"""NATS is a hint: without it what two nodes tell each other is found in the log (docs/reliability.md)."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from tests.cluster.external_nats import ExternalNats
from tests.cluster.looking import apart, not_ready, total
from tests.cluster.pulse import talking
from tests.server.running import Installation
from tests.until import until

LOOKS = 28
"""How often both nodes together look through the log while it is away: each does each second."""
LOOKED_WITHIN_S = 30.0
WITHIN_S = 2.0
SCANS = "tidings_log_scans_total"
FIGURES = (SCANS, "tidings_repaired_events_total")


@pytest.mark.verify
@pytest.mark.parametrize("both_ways", [True, False], ids=["both talk", "one talks"])
async def test_without_nats_two_nodes_go_on_and_nothing_takes_longer_than_two_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, both_ways: bool
) -> None:
    with ExternalNats() as nats:
        installation = Installation(tmp_path, {"NATS__URL": nats.url}, nodes=2).start()
        try:
            people = apart(installation)
            async with asyncio.timeout(90), talking(installation, people, both_ways=both_ways) as pair:
                await until(lambda: len(pair.one.acked) >= 20, 20)
                before = [total(installation, name) for name in FIGURES]
                gone = monotonic()
                await asyncio.to_thread(nats.stop)
                await until(
                    lambda: total(installation, SCANS) >= before[0] + LOOKS, LOOKED_WITHIN_S, blocks=True, every_s=0.1
                )
                away = monotonic() - gone
                assert await not_ready(installation) == ["", ""]
                acked, heard = pair.acked_gap(gone), pair.heard_gap(gone)
                scans, repaired = (
                    total(installation, name) - value for name, value in zip(FIGURES, before, strict=True)
                )
                await asyncio.to_thread(nats.start)
                back = len(pair.one.acked)
                await until(lambda: len(pair.one.acked) >= back + 20, 20)
                await pair.finish()
            with capsys.disabled():
                print(
                    f"\n{away:.0f} s without NATS, {'both talk' if both_ways else 'one talks'}: "
                    f"longest without an ack {acked:.2f} s, without a delivery from the other node {heard:.2f} s; "
                    f"{scans:.0f} scans of the log found {repaired:.0f} events"
                )
            pair.check()
            assert repaired > 0
            assert acked < WITHIN_S
            assert heard < WITHIN_S
        finally:
            installation.stop()
