"""Merging: one order of several, each of which may be known only so far."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from persistence.feed.places import Place


class Source(NamedTuple):
    """The newest places of one origin, the newest first. `whole`: it has no others."""

    places: Sequence[Place]
    whole: bool


def merged(sources: Iterable[Source]) -> Source:
    """All places of which it is certain that none is missing in between, each once.

    Below the last place that is known of an origin there may be more of it: the merged order ends at the newest of
    these.
    """
    known: set[Place] = set()
    ends: list[Place] = []
    for source in sources:
        known.update(source.places)
        if not source.whole and source.places:
            ends.append(source.places[-1])
    horizon = max(ends, default=None)
    order = sorted(known, reverse=True)
    return Source(order if horizon is None else [place for place in order if place >= horizon], horizon is None)
