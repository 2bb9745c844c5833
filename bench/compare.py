"""Better or worse than the stored baseline, figure by figure."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from bench.report import load
from bench.rounds import Summary

Baseline = dict[str, dict[str, Summary]]
"""Figures by workload and name."""

Verdict = Literal["better", "worse", "same", "new"]


class Comparison(msgspec.Struct, frozen=True):
    """One figure then and now."""

    workload: str
    figure: str
    then: Summary | None
    now: Summary
    verdict: Verdict


def stored_results(folder: Path) -> Baseline:
    """The figures of the latest run of each workload; void runs have none."""
    reports = [load(path) for path in sorted(folder.glob("*.json")) if path.name != "baseline.json"]
    return {report.workload: report.figures for report in reports if report.figures}


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
    """All figures of `results` beside the baseline."""
    return [
        Comparison(workload, name, then := baseline.get(workload, {}).get(name), now, verdict(then, now))
        for workload, figures in results.items()
        for name, now in figures.items()
    ]


def verdict(then: Summary | None, now: Summary) -> Verdict:
    """A change counts only when the spreads of the two runs do not overlap."""
    if then is None:
        return "new"
    if now.low <= then.high and then.low <= now.high:
        return "same"
    return "better" if (now.median < then.median) == (now.better == "lower") else "worse"
