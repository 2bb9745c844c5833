"""What a node lets go of when it cannot keep up: first what nobody misses, last what was asked for.

How late the loop is tells it: a loop that is late does everything late. Sends and resumes are never let go of here;
they have their own bounds.
"""

import asyncio
from enum import IntEnum

from server.observe import Metrics

EVERY_S = 0.1
LATE_S = (0.05, 0.1, 0.15, 0.4)
WEIGHT = 0.3
MOST_S = 1.0
"""A single turn counts for no more: a process that was stopped for long is not overloaded."""


class Sheds(IntEnum):
    """In this order, from 50, 100, 150 and 400 ms of lateness on."""

    NOTHING = 0
    TYPING = 1
    PRESENCE = 2
    RECEIPTS = 3
    SESSIONS = 4


class Load:
    """`sheds` is how far it has come. One late turn means little: lateness is averaged over some tenths of a second."""

    def __init__(self, metrics: Metrics) -> None:
        self.sheds = Sheds.NOTHING
        self._metrics = metrics
        self._late = 0.0

    def note(self, late_s: float) -> None:
        """The loop came so late to a timer."""
        self._late += WEIGHT * (min(late_s, MOST_S) - self._late)
        self.sheds = Sheds(sum(self._late >= bound for bound in LATE_S))

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            late = max(0.0, loop.time() - due)
            self._metrics.loop_lag.observe(late)
            self.note(late)
