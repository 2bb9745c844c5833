"""Who talks to whom on several nodes, and on which of them their conversation lives."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from bench.client import Client
from bench.measure import Figure, latency_figures
from bench.workloads.messages import Sender, Traffic

SPARE = 1.1
"""Times as many users as will talk: homes are not spread evenly, and some find no partner."""

Owner = Literal["the sender's", "the receiver's"]
"""A third node never has it (`_owner`)."""


def together_at_home(senders: Sequence[Sender], count: int) -> list[tuple[Sender, Sender]]:
    """Up to `count` pairs at home on one node, as many on each."""
    pairs = [list(zip(group[::2], group[1::2], strict=False)) for group in _homes(senders)]
    most = max(map(len, pairs))
    in_turn = [group[k] for k in range(most) for group in pairs if k < len(group)]
    return in_turn[:count]


def apart_at_home(senders: Sequence[Sender], count: int) -> list[tuple[Sender, Sender]]:
    """Up to `count` pairs at home on different nodes; who is the first of a pair says nothing."""
    by_home = [sender for group in _homes(senders) for sender in group]
    half = len(by_home) // 2
    pairs = zip(by_home[:half], by_home[half:], strict=False)
    return [pair for pair in pairs if pair[0].port != pair[1].port][:count]


def by_owner(traffic: Traffic) -> tuple[list[Figure], list[Figure]]:
    """The shares of the sends by whose node their conversation lives on, and the latency of their acks."""
    acks: dict[Owner, array[float]] = defaultdict(lambda: array("d"))
    for number, seconds in zip(traffic.acked, traffic.acks, strict=True):
        acks[_owner(traffic.senders[number])].append(seconds)
    shares = [
        Figure(f"sends whose conversation is on {whose} node", "%", 100 * len(found) / len(traffic.acks), "neither")
        for whose, found in sorted(acks.items())
    ]
    latencies = [
        figure
        for whose, found in sorted(acks.items())
        for figure in latency_figures(f"ack, conversation on {whose} node,", found, 50, 99)
    ]
    return shares, latencies if len(acks) > 1 else []


def _homes(senders: Sequence[Sender]) -> list[list[Sender]]:
    """The senders of each node, by the port of its own that they are connected to."""
    groups: dict[int, list[Sender]] = defaultdict(list)
    for sender in senders:
        groups[sender.port].append(sender)
    return [groups[port] for port in sorted(groups)]


def _owner(sender: Sender) -> Owner:
    """A conversation of two lives where the one with the smaller id is at home."""
    assert sender.partner is not None
    smaller: Client = min(sender, sender.partner, key=lambda client: int(client.user.user))
    return "the sender's" if smaller.port == sender.port else "the receiver's"
