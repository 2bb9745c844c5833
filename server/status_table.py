"""What is shown of nodes: all of them in one table, or everything of one."""

from collections.abc import Sequence

from msgspec import Struct
from rich.table import Table

from server.scrape import Scraped, Silent, Strange

UNHEARD_WIDTH = 44
"""Columns for why a node says nothing, before it is folded."""

VERSION = ("version", "tidings_placement_version")
SUMMED = (
    ("shards", "tidings_shards"),
    ("connections", "tidings_connections"),
    ("sessions", "tidings_sessions"),
    ("relays", "tidings_relays"),
    ("frames out", "tidings_link_frames_sent_total"),
    ("frames in", "tidings_link_frames_received_total"),
    ("holes", "tidings_link_holes_total"),
    ("log scans", "tidings_log_scans_total"),
    ("repaired", "tidings_repaired_events_total"),
    ("undelivered", "tidings_undelivered"),
)
MEANS = (("ack", "tidings_ack_seconds"), ("loop lag", "tidings_loop_lag_seconds"))

DETAILS = (
    VERSION,
    ("shards", "tidings_shards"),
    ("connections", "tidings_connections"),
    ("HTTP connections", "tidings_http_connections"),
    ("sessions", "tidings_sessions"),
    ("relays", "tidings_relays"),
    ("actors", "tidings_actors"),
    ("people online", "tidings_presence_online"),
    ("people watched", "tidings_presence_watches"),
    ("posts watched", "tidings_post_watches"),
    ("Redis answers", "tidings_presence_known"),
    ("commands waiting", "tidings_mailbox_depth"),
    ("requests", "tidings_requests_total"),
    ("commits", "tidings_commit_seconds_count"),
)
DETAILED_MEANS = (
    ("messages per commit", "tidings_commit_batch_size"),
    ("commit time", "tidings_commit_seconds"),
    ("ack time", "tidings_ack_seconds"),
    ("loop lag", "tidings_loop_lag_seconds"),
)


_LABELS = ["node", "ready", *(label for label, _ in (VERSION, *SUMMED, *MEANS))]


class Seen(Struct, frozen=True):
    """One node: its name, what its lease says of it, and what it says itself, or why it says nothing."""

    name: str
    lease: str
    said: Scraped | Silent | Strange


def details(title: str, said: Scraped) -> Table:
    """Everything that one node says."""
    table = Table(title=title, show_header=False)
    table.add_row("ready", said.ready or "yes")
    for label, name in DETAILS:
        table.add_row(label, _number(said.figures.get(name)))
    for label, name in DETAILED_MEANS:
        table.add_row(label, _mean(said, name))
    return table


def overview(nodes: Sequence[Seen], width: int) -> Table:
    """All nodes, and below several what they do together.

    One row for each, or one column where rows would not fit `width`; what is still too wide is folded, never cut off.
    """
    lines = [_LABELS, *map(_cells, nodes), *([_together(nodes)] if len(nodes) > 1 else [])]
    columns = list(zip(*lines, strict=True))
    upright = sum(min(max(map(len, column)), UNHEARD_WIDTH) + len(" │ ") for column in columns) < width
    header, *rest = lines if upright else columns
    table = Table()
    for number, word in enumerate(header):
        figures = number >= 2 if upright else number >= 1
        table.add_column(word, justify="right" if figures else "left", overflow="fold", max_width=UNHEARD_WIDTH)
    for line in rest:
        table.add_row(*line)
    return table


def _cells(node: Seen) -> list[str]:
    match node.said:
        case Scraped() as said:
            numbers = [_number(said.figures.get(name)) for _, name in (VERSION, *SUMMED)]
            return [node.name, said.ready or "yes", *numbers, *(_mean(said, name) for _, name in MEANS)]
        case Silent() as fault:
            why = "; ".join(filter(None, (f"does not answer ({fault})", node.lease)))
        case Strange() as fault:
            why = str(fault)
    return [node.name, why, *[""] * (len(_LABELS) - 2)]


def _together(nodes: Sequence[Seen]) -> list[str]:
    heard = [node.said.figures for node in nodes if isinstance(node.said, Scraped)]
    sums = [_number(sum(figures.get(name, 0) for figures in heard)) for _, name in SUMMED]
    return ["all", "", "", *sums, *[""] * len(MEANS)]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _mean(said: Scraped, histogram: str) -> str:
    mean = said.mean(histogram)
    if mean is None:
        return "–"
    return f"{mean * 1000:.2f} ms" if histogram.endswith("_seconds") else f"{mean:.1f}"
