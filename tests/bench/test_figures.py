"""Medians, spreads, ratios, verdicts, and which rounds count for them."""

from __future__ import annotations

from array import array

import pytest

from bench.compare import compare, verdict
from bench.measure import Figure, Measured, latency_figures
from bench.metrics import commit_notes, parse
from bench.rounds import Run, Summary, summarise


def round_of(value: float, *, lag: float = 0.1, faults: tuple[str, ...] = ()) -> Measured:
    return Measured([Figure("CPU", "µs", value)], [Figure("ack p99", "ms", value)], list(faults), lag)


def summary(median: float, low: float, high: float, better: str = "lower") -> Summary:
    return Summary("µs", better, median, low, high, 5)


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
    ],
)
def test_only_a_change_beyond_both_spreads_is_better_or_worse(then: Summary | None, now: Summary, said: str) -> None:
    assert verdict(then, now) == said


def test_a_figure_is_compared_with_the_same_figure_of_its_workload() -> None:
    (one,) = compare({"dm": {"CPU": summary(10, 9, 11)}, "idle": {}}, {"dm": {"CPU": summary(5, 4, 6)}})
    assert (one.workload, one.figure, one.verdict) == ("dm", "CPU", "better")


def test_batches_of_a_window_are_the_growth_of_the_node_s_histogram() -> None:
    text = 'batch_size_bucket{le="1.0"} %d\nbatch_size_count %d\nbatch_size_sum %d\n'
    notes = commit_notes(parse(text % (1, 2, 10)), parse(text % (3, 12, 60)), 5.0)
    assert notes["batches"] == "2/s of 5.0 rows"
    assert notes["batch histogram (rows ≤: batches)"] == "1.0: 2"
    assert notes["fsyncs"] == "not counted by the node"
