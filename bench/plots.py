"""A run as a picture: every figure beside the floor's with its spread, and the curves of all rounds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.measure import LATENCY_VOID_MS, PERCENTILE, Curve, Measured
from bench.report import Report
from bench.rounds import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Item = TypeVar("Item")
WIDTH, BAR, CURVES, FRAME = 10.0, 0.4, 4.0, 0.8
"""Inches: of the page, a figure's two bars, a plot of curves, and what axes add to their content."""

NINES = {2: "50 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %"}
"""Ticks of a distribution."""

OURS, FLOOR = "tab:blue", "tab:gray"


def draw(report: Report, path: Path, cache: Path) -> None:
    """Write what counts in `report` as PNG; `cache` is the folder where matplotlib remembers the machine's fonts."""
    os.environ["MPLCONFIGDIR"] = str(cache)
    from matplotlib.figure import Figure

    units = _grouped(report.figures.items(), lambda item: item[1].unit)
    curves = _curves(report.run.ours, "") + _curves(report.run.floor, "floor: ")
    plots = _grouped(curves, lambda curve: (curve.x, curve.y))
    heights = [FRAME + BAR * len(rows) for rows in units] + [CURVES] * len(plots)
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    figure.suptitle(f"bench {report.workload} · {report.at} · {len(report.run.ours)} rounds")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, rows in zip(axes, units, strict=False):
        _bars(ax, rows)
    for ax, lines in zip(axes[len(units) :], plots, strict=True):
        _lines(ax, lines)
    figure.savefig(path, dpi=100)


def _grouped(items: Iterable[Item], key: Callable[[Item], object]) -> list[list[Item]]:
    """Items of one key together, in the order in which keys first come."""
    groups: dict[object, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _curves(rounds: list[Measured], side: str) -> list[Curve]:
    return [
        Curve(side + curve.name, curve.x, curve.y, curve.points)
        for one in rounds
        if one.lag_p99_ms <= LATENCY_VOID_MS
        for curve in one.curves
    ]


def _bars(ax: Axes, rows: list[tuple[str, Summary]]) -> None:
    """Median and extremes of each figure, the first on top; the floor's median below ours."""
    for place, (_, one) in enumerate(rows):
        spread = [[one.median - one.low], [one.high - one.median]]
        ax.barh(place - 0.2, one.median, 0.4, xerr=spread, color=OURS, label="" if place else "ours")
        if one.floor is not None:
            ax.barh(place + 0.2, one.floor, 0.4, color=FLOOR)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(f"{rows[0][1].unit or 'count'} (blue: ours, gray: floor)")


def _lines(ax: Axes, curves: list[Curve]) -> None:
    """One colour a name, one line a round."""
    colours: dict[str, str] = {}
    for curve in curves:
        label = "" if curve.name in colours else curve.name
        colour = colours.setdefault(curve.name, f"C{len(colours)}")
        ax.plot(*zip(*curve.points, strict=True), color=colour, marker=".", linewidth=1, label=label)
    if curves[0].x == PERCENTILE:
        ax.set_xscale("log")
        ax.set_xticks(list(NINES), list(NINES.values()))
        ax.xaxis.minorticks_off()
        ax.set_yscale("log")
    ax.set_xlabel(curves[0].x)
    ax.set_ylabel(curves[0].y)
    ax.legend()
