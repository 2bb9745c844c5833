"""Medians, spreads, ratios, verdicts, and which rounds count for them."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from bench.compare import Recorded, compare, verdict
from bench.database import Log
from bench.measure import PERCENTILE, Better, Curve, Figure, Measured, distribution, latency_figures
from bench.metrics import batch_figures, batch_histogram, fsync_figures, parse
from bench.plots import draw
from bench.report import Report, now
from bench.rounds import Run, Summary, summarise


def round_of(value: float, *, lag: float = 0.1, faults: tuple[str, ...] = ()) -> Measured:
    return Measured([Figure("CPU", "µs", value)], [Figure("ack p99", "ms", value)], list(faults), lag)


def summary(median: float, low: float, high: float, better: Better = "lower", rounds: int = 5) -> Summary:
    return Summary("µs", better, median, low, high, rounds)


def test_a_figure_is_the_median_of_its_rounds_beside_the_floor_of_the_same_rounds() -> None:
    figures = summarise(Run([round_of(v) for v in (30, 10, 20)], [round_of(v) for v in (10, 10, 5)]))
    assert figures["CPU"] == Summary("µs", "lower", 20, 10, 30, 3, floor=10, ratio=3)


def test_lag_above_a_millisecond_takes_the_latencies_of_its_round_only() -> None:
    figures = summarise(Run([round_of(1), round_of(3, lag=1.5)], []))
    assert (figures["CPU"].rounds, figures["ack p99"].rounds) == (2, 1)


@pytest.mark.parametrize("bad", [round_of(1, lag=5.1), round_of(1, faults=("lost: not delivered x 1",))])
def test_lag_above_five_milliseconds_and_every_fault_void_the_run(bad: Measured) -> None:
    run = Run([round_of(1), bad], [round_of(1)])
    assert len(run.void) == 1
    assert run.void[0].startswith("round 2, ours: ")


def test_percentiles_are_milliseconds_to_three_digits() -> None:
    p50, p99, p999, longest = latency_figures("ack", array("d", (k / 1000 for k in range(1, 1001))))
    assert [f.name for f in (p50, p99, p999, longest)] == ["ack p50", "ack p99", "ack p99.9", "ack max"]
    assert [f.value for f in (p50, p99, p999, longest)] == pytest.approx([500, 990, 999, 1000], rel=0.002)


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (None, summary(1, 1, 1), "new"),
        (summary(10, 9, 11), summary(8, 7, 9.5), "same"),
        (summary(10, 9, 11), summary(8, 7, 8.5), "better"),
        (summary(10, 9, 11), summary(12, 11.5, 13), "worse"),
        (summary(10, 9, 11, "higher"), summary(12, 11.5, 13, "higher"), "better"),
        (summary(10, 9, 11, "neither"), summary(12, 11.5, 13, "neither"), "moved"),
        (summary(10, 9, 11), summary(12, 11.5, 13, rounds=2), "unsure"),
    ],
)
def test_only_a_change_beyond_both_spreads_is_better_or_worse(then: Summary | None, now: Summary, said: str) -> None:
    assert verdict(then, now) == said


def recorded(parameters: dict[str, object], **figures: Summary) -> Recorded:
    return Recorded("2026-11-01T00:00:00+00:00", parameters, {}, figures)


def test_a_figure_is_compared_with_the_same_figure_of_its_workload() -> None:
    baseline = {"dm": recorded({}, CPU=summary(10, 9, 11)), "idle": recorded({})}
    (one,) = compare(baseline, {"dm": recorded({}, CPU=summary(5, 4, 6))})
    assert (one.workload, one.figure, one.verdict) == ("dm", "CPU", "better")


def test_a_run_of_another_shape_is_not_compared() -> None:
    baseline = {"dm": recorded({"rate": 3_000.0}, CPU=summary(10, 9, 11))}
    (one,) = compare(baseline, {"dm": recorded({"rate": 5_000.0}, CPU=summary(5, 4, 6))})
    assert (one.then, one.verdict) == (None, "new")


def test_batches_of_a_window_are_the_growth_of_the_node_s_histogram() -> None:
    name = "tidings_commit_batch_size"
    text = name + '_bucket{le="1.0"} %d\n' + name + '_bucket{le="2.0"} %d\n' + name + "_count %d\n" + name + "_sum %d\n"
    before, after = parse(text % (1, 2, 2, 10)), parse(text % (3, 12, 12, 60))
    assert batch_figures(before, after) == [Figure("messages per batch", "", 5.0, "neither")]
    assert batch_histogram(before, after) == "≤ 1: 2, ≤ 2: 8"
    assert batch_figures({}, {}) == []
    assert batch_histogram({}, {}) == "not told by the node"


def test_fsyncs_of_a_window_are_counted_by_the_second_where_postgres_counts_them() -> None:
    assert fsync_figures(Log(100, ""), Log(600, ""), 2.0) == [Figure("fsyncs", "1/s", 250.0, "neither")]
    assert fsync_figures(Log(None, ""), Log(None, ""), 2.0) == []


def test_a_distribution_goes_as_far_as_there_are_samples() -> None:
    curve = distribution("ack", array("d", (k / 1000 for k in range(1, 101))))
    assert curve.points[-1] == pytest.approx((100, 99), rel=0.002)


def test_what_counts_becomes_a_picture(tmp_path: Path) -> None:
    curves = [
        Curve("ack", PERCENTILE, "ms", [(1.0, 2.0), (10.0, 5.0)]),
        Curve("RSS", "connections", "MiB", [(1.0, 2.0)]),
    ]
    ours = Measured([Figure("CPU", "µs", 5.0), Figure("batch", "", 3.0)], curves=curves)
    run = Run([ours, ours], [Measured([Figure("CPU", "µs", 2.0)])])
    draw(Report("dm", now(), "", {}, {}, {}, summarise(run), [], run), tmp_path / "dm.png", tmp_path)
    assert (tmp_path / "dm.png").read_bytes().startswith(b"\x89PNG")
