"""What the application has not dealt with yet, and when that stops the reading and the handing on.

    within the bound ──► full: the connection is left unread, so that the server sees a slow reader
           ▲                │ the application takes an event                │ it takes none for a while
           └────────────────┘                                              ▼
           └── half the bound is free: closed, and resumed ◄── skipping: replies and pings are read, events left behind

An application that waits for a reply takes no events meanwhile, and the reply stands behind those the server sent
before: the reading must go on however full the queue is, and what there is no room for comes again by resuming.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Final

from .progress import Progress

AWAITED_FACTOR: Final = 8
PAUSE_MS: Final = 5_000
"""Well below the 10 s for which a server waits for an ack, or for a slow reader to take anything."""
PAUSE_AWAITED_MS: Final = 500


class Backlog:
    """At most `bound` events wait for the application, eight times as many while replies are `awaited`; what one
    message of the server brings is handed on whole. `skipping`: events are dropped, uncounted, until the next
    connection.
    """

    def __init__(self, progress: Progress, awaited: Sized, bound: int) -> None:
        self.skipping = False
        self._progress = progress
        self._awaited = awaited
        self._bound = bound
        self._moved_at = 0

    def moved(self, now: int) -> None:
        """Something was read, or the application is done with something."""
        self._moved_at = now

    @property
    def full(self) -> bool:
        """No more is to be read for now."""
        bound = self._bound * AWAITED_FACTOR if len(self._awaited) else self._bound
        return self._progress.untaken > bound and not self.skipping

    @property
    def skip_at(self) -> int | None:
        """When the waiting for room is to end in skipping; None while there is room."""
        if not self.full:
            return None
        return self._moved_at + (PAUSE_AWAITED_MS if len(self._awaited) else PAUSE_MS)

    @property
    def crowded(self) -> bool:
        """Live events, which may be missed, are not worth their room."""
        return self._progress.untaken > self._bound

    @property
    def ready(self) -> bool:
        """Events were left behind, and there is room for them now."""
        return self.skipping and self._progress.untaken * 2 <= self._bound
