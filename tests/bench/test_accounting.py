"""A server that breaks a promise voids the run; one that keeps them does not."""

from __future__ import annotations

import pytest

from bench.measure import Measured
from bench.workloads.dm import Dm
from bench.workloads.fanout import Fanout
from bench.workloads.idle import Idle
from bench.workloads.storm import Storm
from tests.bench.rig import faults, one_round
from tests.bench.stand_in import Misdeeds

pytestmark = pytest.mark.verify

DM = Dm(rate=200.0, conversations=4, window_s=0.3, warm_s=0.1, drain_s=0.3)
FIRST = 2 * DM.conversations + 1
"""The first message after the preparation, in which everybody sends one."""

FANOUT = Fanout(members=4, devices=2, rate=50.0, window_s=0.3, drain_s=0.3, warm_s=0.2, probe_s=0.2)

STORM = Storm(connections=10, rate=200.0, control=4, control_rate=100.0, quiet_s=0.3)


def value(measured: Measured, name: str) -> float:
    return next(figure.value for figure in measured.figures if figure.name == name)


async def test_a_faithful_server_has_every_message_counted_once() -> None:
    measured, stand_in = await one_round(DM)
    assert not measured.faults
    assert stand_in.messages > FIRST
    assert value(measured, "messages acked") > 0
    assert {f.name for f in measured.latencies} >= {"ack p50", "ack p99", "delivery p50", "delivery p99"}


async def test_a_lost_message_voids_the_run() -> None:
    told = await faults(DM, Misdeeds(loses=FIRST + 3))
    assert "lost: not delivered x 1" in told


async def test_a_loss_that_later_messages_reveal_is_a_broken_conversation() -> None:
    assert "conversation broken" in await faults(DM, Misdeeds(loses=FIRST + 3))


async def test_a_repeated_message_voids_the_run() -> None:
    assert "delivered twice x 1" in await faults(DM, Misdeeds(repeats=FIRST + 3))


async def test_reordered_messages_void_the_run() -> None:
    assert "conversation broken" in await faults(DM, Misdeeds(swaps=FIRST + 3))


async def test_a_refused_message_voids_the_run() -> None:
    assert "message refused: forbidden x 1" in await faults(DM, Misdeeds(refuses=FIRST + 3))


async def test_a_second_reply_to_one_request_voids_the_run() -> None:
    assert "reply to no request x 1" in await faults(DM, Misdeeds(answers_twice=FIRST + 3))


async def test_a_generator_that_is_held_up_voids_the_run() -> None:
    measured, _ = await one_round(DM, Misdeeds(stalls_s=0.2, stalls_at=FIRST + 30))
    assert not measured.faults
    assert any("generator lag" in why for why in measured.void)
    assert measured.believed == []


async def test_live_events_reach_everybody_but_their_author_once() -> None:
    measured, stand_in = await one_round(FANOUT)
    assert not measured.faults
    assert measured.notes["who does not hear an event"] == "its author's devices"
    assert stand_in.typings == 1 + 10 + 15


async def test_a_lost_live_event_voids_the_run() -> None:
    told = await faults(FANOUT, Misdeeds(loses_typing=20))
    assert "live events lost" in told
    assert "live event lost, repeated or reordered" in told


async def test_a_repeated_live_event_voids_the_run() -> None:
    assert "live event lost, repeated or reordered" in await faults(FANOUT, Misdeeds(repeats_typing=20))


async def test_a_storm_comes_back_resumed() -> None:
    measured, stand_in = await one_round(STORM)
    assert not measured.faults
    assert {"CPU per connect + hello fresh", "CPU per connect + hello resumed"} <= {f.name for f in measured.figures}
    assert "control group's ack p99, during ÷ before" in {f.name for f in measured.latencies}
    stormed = [stand_in.people[f"u{k}"] for k in range(STORM.connections)]
    assert all(person.acks[-1] == person.u for person in stormed)


async def test_a_server_that_forgets_its_streams_voids_the_storm() -> None:
    told = await faults(STORM, Misdeeds(forgets_streams=True))
    assert "unexpected outcome of hello x 20: resync" in told


async def test_idle_counts_bytes_between_its_last_two_steps() -> None:
    measured, _ = await one_round(Idle(steps=(4, 10), window_s=0.2, settle_s=0.0))
    assert not measured.faults
    told = {f.name for f in measured.figures}
    assert {"RSS per connection", "kernel slab per connection, both ends", "CPU per connection and second"} <= told
