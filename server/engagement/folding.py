"""Folding: every node adds up what was counted, so that totals are at most 5 s old while one of them lives."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import SystemRandom

from persistence.tallies.folding import AT_ONCE
from server.observe import Metrics
from server.outage import Outage

EVERY_S = 2.0


class Folding:
    """`fold` adds some changes to the totals and says how many there were. `folded` counts them; `done_at` is when
    nothing was left last, by `now` in seconds."""

    def __init__(self, fold: Callable[[], Awaitable[int]], now: Callable[[], float] = time.monotonic) -> None:
        self.folded = 0
        self.done_at = now()
        self._fold = fold
        self._now = now
        self._random = SystemRandom()
        self._outage = Outage("totals are not folded")

    async def run(self) -> None:
        """Until cancelled. Nodes that began together do not stay in step."""
        while True:
            with self._outage.noted():
                await self.round()
            await asyncio.sleep(EVERY_S * self._random.uniform(0.5, 1.0))

    async def round(self) -> None:
        """Fold what there is. Raises `UnavailableError`."""
        found = AT_ONCE
        while found == AT_ONCE:
            self.folded += (found := await self._fold())
        self.done_at = self._now()

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        metrics.counters["tidings_tally_changes"] = ("Changes of totals folded here", lambda: self.folded)
        metrics.gauges["tidings_tally_age_seconds"] = (
            "Since when this node has not folded all there was",
            lambda: self._now() - self.done_at,
        )
