"""Better or worse than the stored baseline, figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from bench.report import load
from bench.rounds import Summary

SURE_ROUNDS = 3
"""Fewer on either side show no spread to speak of."""


class Recorded(msgspec.Struct, frozen=True):
    """What is kept of a run: how and where it was made, and its figures by name."""

    at: str
    parameters: dict[str, object]
    machine: dict[str, str]
    figures: dict[str, Summary]


Baseline = dict[str, Recorded]
"""By workload."""

Verdict = Literal["better", "worse", "same", "moved", "unsure", "new"]


class Comparison(msgspec.Struct, frozen=True):
    """One figure then and now; `then` is absent when nothing of the same shape was measured."""

    workload: str
    figure: str
    then: Summary | None
    now: Summary
    verdict: Verdict


def stored_results(folder: Path) -> Baseline:
    """The figures of the latest run of each workload; void runs have none."""
    reports = [load(path) for path in sorted(folder.glob("*.json")) if path.name != "baseline.json"]
    return {
        report.workload: Recorded(report.at, report.parameters | report.raised, report.machine, report.figures)
        for report in reports
        if report.figures
    }


def read_baseline(folder: Path) -> Baseline:
    """The baseline, empty when none is stored yet."""
    path = folder / "baseline.json"
    return msgspec.json.decode(path.read_bytes(), type=Baseline) if path.exists() else {}


def write_baseline(folder: Path, results: Baseline) -> Path:
    """Make `results` the baseline of their workloads; the others keep theirs."""
    path = folder / "baseline.json"
    merged = read_baseline(folder) | results
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=1) + b"\n")
    return path


def compare(baseline: Baseline, results: Baseline) -> list[Comparison]:
    """All figures of `results` beside the baseline, as far as that was measured with the same parameters."""
    comparisons = []
    for workload, recorded in results.items():
        before = baseline.get(workload)
        then = before.figures if before and before.parameters == recorded.parameters else {}
        for name, now in recorded.figures.items():
            comparisons.append(Comparison(workload, name, then.get(name), now, verdict(then.get(name), now)))
    return comparisons


def verdict(then: Summary | None, now: Summary) -> Verdict:
    """A change counts only when the spreads of the two runs do not overlap."""
    if then is None:
        return "new"
    if now.low <= then.high and then.low <= now.high:
        return "same"
    if min(then.rounds, now.rounds) < SURE_ROUNDS:
        return "unsure"
    if now.better == "neither":
        return "moved"
    return "better" if (now.median < then.median) == (now.better == "lower") else "worse"
