"""Schedules are fixed in advance, and kept whatever the answers do."""

from __future__ import annotations

from array import array
from itertools import pairwise
from random import Random
from time import monotonic

import pytest

from bench.schedule import Pacer, poisson, ramp, steady
from tests.bench.stand_in import stand_still


def test_a_ramp_has_its_count_and_its_two_rates() -> None:
    gaps = [b - a for a, b in pairwise(ramp(1_000, 100.0, 400.0))]
    assert len(gaps) == 999
    assert gaps[0] == pytest.approx(1 / 100)
    assert gaps[-1] == pytest.approx(1 / 400, rel=0.01)


def test_poisson_arrivals_are_the_same_for_the_same_seed_and_near_their_rate() -> None:
    assert poisson(1_000.0, 5.0, Random(7)) == poisson(1_000.0, 5.0, Random(7))
    assert len(poisson(1_000.0, 5.0, Random(7))) == pytest.approx(5_000, rel=0.05)


async def test_nothing_is_sent_before_its_time_and_everything_is_sent() -> None:
    sent: list[tuple[int, float, float]] = []
    pacer = Pacer(steady(500.0, 0.1), lambda k, due: sent.append((k, due, monotonic())))
    await pacer.run()
    assert [k for k, _, _ in sent] == list(range(50))
    assert all(at >= due for _, due, at in sent)
    assert len(pacer.lags) == 50


async def test_a_stall_shows_in_the_lags_and_moves_no_intended_time() -> None:
    dues: list[float] = []

    def send(k: int, due: float) -> None:
        dues.append(due)
        if k == 10:
            stand_still(0.05)

    pacer = Pacer(steady(1_000.0, 0.05), send)
    await pacer.run()
    assert max(pacer.lags) > 0.04
    assert [b - a for a, b in pairwise(dues)] == pytest.approx([0.001] * 49)


async def test_an_empty_schedule_is_over_at_once() -> None:
    pacer = Pacer(array("d"), lambda k, due: None)
    await pacer.run()
    assert not pacer.lags
