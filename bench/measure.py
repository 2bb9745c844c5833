"""From raw samples to figures, and the verdict whether they may be believed."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Literal

import msgspec

from bench.process import cpu_seconds, tree_cpu_seconds

if TYPE_CHECKING:
    from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

LATENCY_VOID_MS, RUN_VOID_MS = 1.0, 5.0
"""Generator lag, p99: above the first no latency of the round counts, above the second nothing of it."""

LONGEST_US = 120_000_000


PERCENTILE = "percentile"
"""The abscissa of a distribution: 1 ÷ (1 − share), on which each nine takes the same room in a logarithmic plot."""

SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999)
Better = Literal["lower", "higher", "neither"]


class Figure(msgspec.Struct, frozen=True):
    """One measured value. The same name on both sides makes the ratio to the floor."""

    name: str
    unit: str
    value: float
    better: Better = "lower"


class Curve(msgspec.Struct, frozen=True):
    """One line of a plot; curves with the same axes share it."""

    name: str
    x: str
    y: str
    points: list[tuple[float, float]]


class Measured(msgspec.Struct):
    """One side of one round."""

    figures: list[Figure]
    latencies: list[Figure] = []
    faults: list[str] = []
    lag_p99_ms: float = 0.0
    notes: dict[str, str] = {}
    curves: list[Curve] = []

    @property
    def void(self) -> list[str]:
        """Why nothing of this counts; empty when it does."""
        if self.lag_p99_ms > RUN_VOID_MS:
            return [*self.faults, f"generator lag p99 {self.lag_p99_ms:.2f} ms > {RUN_VOID_MS:.0f} ms"]
        return self.faults

    @property
    def believed(self) -> list[Figure]:
        """The figures that count: all, those without latencies, or none."""
        if self.void:
            return []
        return self.figures + (self.latencies if self.lag_p99_ms <= LATENCY_VOID_MS else [])


def together(parts: Sequence[Measured]) -> Measured:
    """The parts of one side of one round as one; its lag is the worst of theirs."""
    whole = Measured([])
    for part in parts:
        whole.figures += part.figures
        whole.latencies += part.latencies
        whole.faults += part.faults
        whole.curves += part.curves
        whole.notes |= part.notes
        whole.lag_p99_ms = max(whole.lag_p99_ms, part.lag_p99_ms)
    return whole


def added(first: Measured, others: Sequence[Measured]) -> Measured:
    """What several processes measured at once: figures of the same name are summed, the rest is as in `together`."""
    whole = together([first, *others])
    sums: dict[str, Figure] = {}
    for figure in whole.figures:
        value = figure.value + (sums[figure.name].value if figure.name in sums else 0.0)
        sums[figure.name] = msgspec.structs.replace(figure, value=value)
    whole.figures = list(sums.values())
    return whole


def histogram(seconds: Iterable[float]) -> HdrHistogram:
    """Samples in seconds as an HdrHistogram in microseconds, three digits, up to two minutes."""
    from hdrh.histogram import HdrHistogram

    built = HdrHistogram(1, LONGEST_US, 3)
    for sample in seconds:
        built.record_value(min(max(int(sample * 1e6), 1), LONGEST_US))
    return built


def percentile_ms(seconds: array[float], percentile: float) -> float:
    """A percentile of samples in seconds, as milliseconds; 0 without samples."""
    return float(histogram(seconds).get_value_at_percentile(percentile)) / 1000 if seconds else 0.0


def latency_figures(name: str, seconds: array[float], *points: float) -> list[Figure]:
    """Percentiles of samples in seconds counted from the intended send; p50, p99, p99.9 and the longest by default."""
    built = histogram(seconds)
    return [
        Figure(f"{name} p{at:g}" if at < 100 else f"{name} max", "ms", built.get_value_at_percentile(at) / 1000)
        for at in points or (50.0, 99.0, 99.9, 100.0)
    ]


def distribution(name: str, seconds: array[float], unit: Literal["ms", "s"] = "ms") -> Curve:
    """How long the quickest half, nine tenths, 99 % … took: as far as there are samples."""
    built = histogram(seconds)
    scale = {"ms": 1e3, "s": 1e6}[unit]
    shares = [share for share in SHARES if len(seconds) * (1 - share) >= 1]
    points = [(1 / (1 - share), built.get_value_at_percentile(100 * share) / scale) for share in shares]
    return Curve(name, PERCENTILE, unit, points)


def generator_cpu_seconds() -> float:
    """User and system seconds of this process so far."""
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """Processor time of nodes, stores, buses and the generator between `Meter(...)` and `per`.

    The bus counts where there are several nodes: one alone says nothing over it.
    """

    def __init__(self, nodes: tuple[int, ...], stores: tuple[int, ...], buses: tuple[int, ...] = ()) -> None:
        self._nodes, self._stores = nodes, stores
        self._buses = buses if len(nodes) > 1 else ()
        self._begun = self._now()

    def per(self, operation: str, count: int, scale: float = 1.0) -> list[Figure]:
        """CPU microseconds per operation since the start, `scale` dividing further (seconds of a window)."""
        share = 1e6 / max(count, 1) / scale
        store, bus, own, *nodes = (end - begin for begin, end in zip(self._begun, self._now(), strict=True))
        figures = [Figure(f"CPU per {operation}", "µs", sum(nodes) * share)]
        if len(nodes) > 1:
            figures += [Figure(f"CPU of node {k} per {operation}", "µs", cpu * share) for k, cpu in enumerate(nodes, 1)]
        if self._stores:
            figures.append(Figure(f"Postgres CPU per {operation}", "µs", store * share))
        if self._buses:
            figures.append(Figure(f"NATS CPU per {operation}", "µs", bus * share))
        return [*figures, Figure(f"generator CPU per {operation}", "µs", own * share)]

    def _now(self) -> list[float]:
        others = tree_cpu_seconds(self._stores), tree_cpu_seconds(self._buses), generator_cpu_seconds()
        return [*others, *(cpu_seconds((node,)) for node in self._nodes)]
