"""Seeds: whatever goes wrong, what was promised holds."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.checker.checker import check
from bench.checker.history import Decided, HandedOn, Restarted, Welcomed, rendered
from tests.simulation.world import simulate

ROOT = Path(__file__).parents[2]
CHANGES = 25
VERIFIES = 100


def _hold(first: int, count: int) -> None:
    for seed in range(first, first + count):
        broken = check(simulate(seed))
        assert not broken, "\n".join((f"seed {seed} (python -m tests.simulation {seed} prints its history)", *broken))


@pytest.mark.parametrize("first", range(0, 500, CHANGES))
def test_what_was_promised_holds(first: int) -> None:
    _hold(first, CHANGES)


@pytest.mark.verify
@pytest.mark.parametrize("first", range(0, 10_000, VERIFIES))
def test_what_was_promised_holds_ten_thousand_times(first: int) -> None:
    _hold(first, VERIFIES)


def test_the_sdk_comes_through_what_can_happen_to_a_client() -> None:
    happened: Counter[str] = Counter()
    for seed in range(40):
        entries = simulate(seed).entries
        sdk = {entry.device for entry in entries if isinstance(entry, HandedOn)}
        for entry in entries:
            match entry:
                case Welcomed() if entry.device in sdk:
                    happened[entry.welcome.outcome] += 1
                case Decided():
                    happened["accepted" if entry.c else "refused"] += 1
                case Restarted():
                    happened["restarted"] += 1

    expected = ("fresh", "resumed", "resync", "accepted", "refused", "restarted")
    assert min(happened[what] for what in expected) >= 5, happened


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_a_seed_is_one_history(seed: int) -> None:
    assert rendered(simulate(seed)) == rendered(simulate(seed))


def test_a_seed_is_the_same_history_in_every_process() -> None:
    # Strings hash differently in each process, so whatever iterates over a set of them would show.
    replays = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "7"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": salt},
            capture_output=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]

    assert replays[0] == replays[1]
    assert b"all is well again" in replays[0]
