"""The C floor does the socket work of every workload, where the machine has a compiler for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.stage import Floored
from bench.subject import build_floor, floor
from bench.workloads.dm import Dm
from bench.workloads.fanout import Fanout
from bench.workloads.idle import Idle
from bench.workloads.storm import Storm
from tests.bench.rig import silent

SHAPES = (
    Idle(steps=(4, 10), window_s=0.2, settle_s=0.0),
    Storm(connections=20, rate=200.0),
    Dm(rate=200.0, conversations=4, window_s=0.2),
    Fanout(members=4, devices=2, rate=50.0, window_s=0.2),
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
async def test_the_floor_answers_every_frame(shape: Floored, tmp_path: Path) -> None:
    binary = build_floor(tmp_path)
    if binary is not None:
        with floor(binary) as stage:
            measured = await shape.floor(stage, silent)
        assert not measured.faults
        assert any(figure.name.startswith("CPU per") for figure in measured.figures)


def test_without_a_compiler_there_is_no_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_floor(tmp_path) is None
