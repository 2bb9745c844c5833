"""Keeps a connection's requests inside the limits its hello was told, so that the server need not refuse them."""

from __future__ import annotations

from typing import Final

# Answers that were bunched on the way make requests arrive closer together than they left.
_MARGIN: Final = 0.9


class Pace:
    """A leaky bucket as GCRA (ITU-T I.371): one theoretical arrival time instead of a count of tokens."""

    def __init__(self, per_s: float = 0.0, burst: float = 1.0) -> None:
        """`per_s` 0 is no limit."""
        self._interval = 1_000 / (per_s * _MARGIN) if per_s > 0 else 0.0
        self._slack = self._interval * max(0.0, burst * _MARGIN - 1)
        self._arrival = 0.0
        self._held_until = 0

    def may_at(self, now: int) -> int:
        """The earliest time, from `now` on, at which another request may leave."""
        return max(now, self._held_until, int(self._arrival - self._slack + 0.999))

    def spend(self, now: int) -> None:
        """A request leaves."""
        self._arrival = max(self._arrival, now) + self._interval

    def hold(self, until: int) -> None:
        """The server said `rate_limited`: nothing leaves before this time."""
        self._held_until = max(self._held_until, until)
