"""The node's own counters (Prometheus text), read before and after a window."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping

from bench.database import Log
from bench.measure import Figure
from bench.stage import Stage

PRIVATE_PORTS = (101, 100)
"""Offsets of a node's private port from the public one, the likelier first."""

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?)\s+(\S+)", re.MULTILINE)
BUCKET = re.compile(r'tidings_commit_batch_size_bucket\{le="(.*)"\}')


def read_metrics(host: str, port: int) -> dict[str, float]:
    """All samples of the node behind the public `port`; empty when it serves none."""
    return next(filter(None, (_read(host, port + offset) for offset in PRIVATE_PORTS)), {})


def read_nodes(stage: Stage) -> list[dict[str, float]]:
    """The samples of every node; empty for one that serves none."""
    if not stage.private:
        return [read_metrics(stage.host, stage.port)]
    return [_read(stage.host, port) for port in stage.private]


def read_sums(stage: Stage) -> dict[str, float]:
    """Every sample summed over all nodes: right for counters and for what is counted in buckets."""
    sums: dict[str, float] = {}
    for samples in read_nodes(stage):
        for name, value in samples.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums


def parse(text: str) -> dict[str, float]:
    """Samples by name and labels (the text exposition format, version 0.0.4)."""
    return {name: float(value) for name, value in SAMPLE.findall(text)}


def batch_figures(before: Mapping[str, float], after: Mapping[str, float]) -> list[Figure]:
    """Messages per commit of a window; nothing when the node committed nothing or does not say."""
    count, total = (_growth(before, after, f"tidings_commit_batch_size_{part}") for part in ("count", "sum"))
    return [Figure("messages per batch", "", total / count, "neither")] if count else []


def batch_histogram(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Batches of a window by their size: `≤ 2: 17, ≤ 3: 4`."""
    smaller, parts = 0.0, []
    for bucket in filter(None, map(BUCKET.fullmatch, after)):
        reached = _growth(before, after, bucket[0])
        if reached > smaller:
            parts.append(f"≤ {bucket[1].removesuffix('.0')}: {reached - smaller:.0f}")
        smaller = reached
    return ", ".join(parts) or "not told by the node"


def fsync_figures(before: Log, after: Log, seconds: float) -> list[Figure]:
    """Fsyncs of the log per second of a window; nothing where Postgres does not count them."""
    if before.fsyncs is None or after.fsyncs is None:
        return []
    return [Figure("fsyncs", "1/s", (after.fsyncs - before.fsyncs) / seconds, "neither")]


def pause_figures(samples: Mapping[str, float]) -> list[Figure]:
    """The garbage collections of a node since its start; nothing when it does not say."""
    count = samples.get("tidings_gc_pause_seconds_count")
    if count is None:
        return []
    return [
        Figure("GC pauses", "", count),
        Figure("longest GC pause", "ms", samples["tidings_gc_longest_pause_seconds"] * 1000),
        Figure("GC pauses in all", "ms", samples["tidings_gc_pause_seconds_sum"] * 1000),
    ]


def link_figures(before: Mapping[str, float], after: Mapping[str, float], messages: int) -> list[Figure]:
    """What went over the links between nodes in a window, heartbeats left out; nothing where nodes do not say."""
    frames, items = (_growth(before, after, f"tidings_link_{what}_sent_total") for what in ("frames", "items"))
    if not frames:
        return []
    return [
        Figure("link frames per message", "", frames / max(messages, 1), "neither"),
        Figure("link items per message", "", items / max(messages, 1), "neither"),
        Figure("items per link frame", "", items / frames, "neither"),
    ]


def _read(host: str, port: int) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=2) as answer:
            return parse(answer.read().decode())
    except OSError:
        return {}


def _growth(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)
