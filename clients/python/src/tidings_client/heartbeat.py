"""Pings and acks: that the connection lives, and what the server may stop holding for us (wire contract §3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .effects import Effect, Keep, Write
from .progress import Progress

ACK_MS: Final = 500
SILENCE: Final = 2.5
BACKGROUND_PING_MS: Final = 50_000


class Heartbeat:
    """The timers of one session. An ack answers every ping, and follows by 0.5 s what the application stored."""

    def __init__(self, progress: Progress, emit: Callable[[Effect], None], *, background: bool) -> None:
        self.background = background
        self.ack_at: int | None = None
        self.silent_at: int | None = None
        self._progress = progress
        self._emit = emit
        self._ping_ms = 0

    def welcomed(self, ping_ms: int, now: int) -> None:
        """A connection came up. What an earlier one may have failed to acknowledge is said again."""
        self._ping_ms = ping_ms
        self.heard(now)
        self.ack_at = now + ACK_MS

    def heard(self, now: int) -> None:
        """The server has 2.5 times its interval to ping again."""
        ping_ms = max(self._ping_ms, BACKGROUND_PING_MS) if self.background else self._ping_ms
        self.silent_at = now + int(SILENCE * ping_ms)

    def pinged(self, now: int) -> None:
        """A ping that agrees with what was received."""
        self.heard(now)
        self._progress.pinged()
        self.acknowledge(live=True)

    def check(self, now: int) -> None:
        """Something may have been stored, or turned out to be all there is: an ack is due soon."""
        if self.ack_at is None and self._progress.news:
            self.ack_at = now + ACK_MS

    def acknowledge(self, *, live: bool) -> None:
        """Remembers what is stored and, on a live connection, tells the server."""
        self.ack_at = None
        if change := self._progress.change():
            self._emit(Keep(change))
        if live:
            self._emit(Write(self._progress.ack()))
            while self._progress.unsaid:
                self._emit(Write(self._progress.ack()))

    def lost(self) -> None:
        """The connection is gone."""
        self.silent_at = None
        self._progress.lost()
