"""Ranking: candidates become an order. `rank` is one ranker; another is any function of its type."""

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from math import log10

from msgspec import Struct

from persistence.feed.places import Place

HALVES_US = 12 * 3_600_000_000
"""A post of twelve hours ago counts half of one of now."""
REPEATED = 0.6
"""What a further post of an author counts of what it would count as their first."""


class Candidate(Struct, frozen=True, gc=False):
    """A post with what is known of it: `affinity` is how close its author is to the reader, 0 to 16."""

    place: Place
    author: int
    likes: int = 0
    comments: int = 0
    affinity: int = 0


Rank = Callable[[Sequence[Candidate], int], list[Candidate]]
"""Orders all candidates, the best first. It is given the time, in microseconds since 1970."""


def rank(candidates: Sequence[Candidate], now: int) -> list[Candidate]:
    """Recency x affinity x engagement; each further post of an author counts less, so that nobody fills a page.

    Measured: 0.4 ms for 150.
    """
    seen = Counter[int]()
    heap = [(-_score(one, now), -one.place.at, -one.place.id, 0, one) for one in candidates]
    heapq.heapify(heap)
    order = list[Candidate]()
    while heap:
        score, at, id, counted, one = heap[0]
        if counted == seen[one.author]:
            heapq.heappop(heap)
            seen[one.author] += 1
            order.append(one)
        else:
            fewer = seen[one.author] - counted
            heapq.heapreplace(heap, (score * REPEATED**fewer, at, id, seen[one.author], one))
    return order


def _score(one: Candidate, now: int) -> float:
    recency: float = 0.5 ** (max(0, now - one.place.at) / HALVES_US)
    return recency * (1 + one.affinity / 8) * (1 + log10(1 + max(0, one.likes + 3 * one.comments)) / 4)
