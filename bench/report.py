"""A run as a Markdown table for people and as JSON for `compare`."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.measure import LATENCY_VOID_MS, Measured
from bench.rounds import Run, Summary

ENOUGH_ROUNDS = 5


class Report(msgspec.Struct):
    """Everything about one run of one workload; `figures` is empty when the run is void."""

    workload: str
    at: str
    command: str
    parameters: dict[str, object]
    raised: dict[str, str]
    machine: dict[str, str]
    figures: dict[str, Summary]
    void: list[str]
    run: Run


def now() -> str:
    """This moment, UTC, to the second (RFC 3339)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def command() -> str:
    """The command line that made the run."""
    return shlex.join(
        ["tidings", "bench", *sys.argv[sys.argv.index("bench") + 1 :]] if "bench" in sys.argv else sys.argv
    )


def store(report: Report, folder: Path) -> Path:
    """Write WORKLOAD.md and WORKLOAD.json, which names the plot WORKLOAD.png; returns the Markdown file."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
    (folder / f"{report.workload}.json").write_bytes(encoded + b"\n")
    readable = folder / f"{report.workload}.md"
    readable.write_text(markdown(report))
    return readable


def load(path: Path) -> Report:
    """A stored report."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def markdown(report: Report) -> str:
    """The table with what a reader needs to judge it."""
    parts = [f"# bench {report.workload}\n\n{report.at} · `{report.command}`\n"]
    if report.void:
        parts.append("**VOID**: no figure of this run counts.\n\n" + "".join(f"- {why}\n" for why in report.void))
    if report.figures:
        parts += [_table(report.figures), f"![plot]({report.workload}.png)\n"]
    if report.run.floor_missing:
        parts.append(f"{report.run.floor_missing}.\n")
    if len(report.run.ours) < ENOUGH_ROUNDS:
        parts.append(f"Only {len(report.run.ours)} rounds of at least {ENOUGH_ROUNDS}: an indication, not a figure.\n")
    parts.append(_facts("Limits raised for the run", report.raised or {"none": "defaults"}))
    parts.append(_facts("Parameters", {key: str(value) for key, value in report.parameters.items()}))
    parts.append(_facts("Machine", report.machine))
    parts += [_rounds("Rounds, ours", report.run.ours), _rounds("Rounds, floor", report.run.floor)]
    return "\n".join(part for part in parts if part)


def _table(figures: dict[str, Summary]) -> str:
    lines = ["| figure | ours, median | low - high | floor | ours ÷ floor | rounds |", "|---|---|---|---|---|---|"]
    for name, one in figures.items():
        beside = "-" if one.floor is None else _rounded(one.floor, one.unit)
        ratio = "-" if one.ratio is None else f"{one.ratio:.2f}"
        spread = f"{_rounded(one.low)} - {_rounded(one.high)}"
        lines.append(f"| {name} | {_rounded(one.median, one.unit)} | {spread} | {beside} | {ratio} | {one.rounds} |")
    return "\n".join(lines) + "\n"


def _rounds(title: str, rounds: list[Measured]) -> str:
    if not rounds:
        return ""
    lines = []
    for number, one in enumerate(rounds, 1):
        lag = f"generator lag p99 {one.lag_p99_ms:.2f} ms"
        if one.lag_p99_ms > LATENCY_VOID_MS:
            lag += " (latencies void)"
        lines.append("; ".join([f"- {number}: {lag}", *(f"{key}: {value}" for key, value in one.notes.items())]))
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def _facts(title: str, facts: dict[str, str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {key}: {value}" for key, value in facts.items()) + "\n"


def _rounded(value: float, unit: str = "") -> str:
    return f"{value:,.0f} {unit}".rstrip() if abs(value) >= 1000 else f"{value:.3g} {unit}".rstrip()
