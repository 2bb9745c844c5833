"""The node's own counters (Prometheus text), read before and after a window."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Mapping

PRIVATE_PORTS = (101, 100)
"""Offsets of a node's private port from the public one, the likelier first."""

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*(?:\{.*\})?)\s+(\S+)", re.MULTILINE)
BATCH = re.compile(r"batch\w*_(sum|count|bucket)")


def read_metrics(host: str, port: int) -> dict[str, float]:
    """All samples of the node behind the public `port`; empty when it serves none."""
    for offset in PRIVATE_PORTS:
        try:
            with urllib.request.urlopen(f"http://{host}:{port + offset}/metrics", timeout=2) as answer:
                return parse(answer.read().decode())
        except OSError:
            continue
    return {}


def parse(text: str) -> dict[str, float]:
    """Samples by name and labels (the text exposition format, version 0.0.4)."""
    return {name: float(value) for name, value in SAMPLE.findall(text)}


def commit_notes(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, str]:
    """Batch size, its histogram, batches and fsyncs per second of a window, as far as the node counts them."""
    if not after:
        return {"batches": "the node serves no metrics"}
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    sums = {m[1]: value for name, value in grown.items() if (m := BATCH.search(name)) and m[1] != "bucket"}
    notes = {"batches": "not counted by the node", "fsyncs": "not counted by the node"}
    if sums.get("count"):
        notes["batches"] = f"{sums['count'] / seconds:.0f}/s of {sums['sum'] / sums['count']:.1f} rows"
    buckets = [(name, value) for name, value in grown.items() if "batch" in name and "_bucket" in name]
    if buckets:
        notes["batch histogram (rows ≤: batches)"] = ", ".join(
            f"{name.partition('le=')[2].strip('}').strip(chr(34))}: {value:.0f}" for name, value in buckets
        )
    fsyncs = [value for name, value in grown.items() if "fsync" in name and "bucket" not in name]
    if fsyncs:
        notes["fsyncs"] = f"{fsyncs[0] / seconds:.0f}/s"
    return notes
