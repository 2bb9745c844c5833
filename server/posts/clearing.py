"""Clearing away what is left of deleted posts and comments."""

import asyncio

from persistence.engagement import clearing as comments
from persistence.faults import UnavailableError
from persistence.pool import Pool
from persistence.posts.clearing import clear
from server.observe import Metrics
from server.outage import Outage

LOOK_S = 10.0
PAUSE_S = 0.05
"""The least time from one part to the next: whoever waits for an answer goes first."""


class Clearing:
    """All nodes do it together: each takes what no other one has."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._outage = Outage("deleted posts and comments are not cleared away")
        self.parts = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                while await clear(self._pool) or await comments.clear(self._pool):
                    self.parts += 1
                    await asyncio.sleep(PAUSE_S)
                self._outage.is_over()
            except Exception as fault:
                self._outage.goes_on(fault, stack=not isinstance(fault, UnavailableError))

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        metrics.counters["tidings_posts_cleared"] = (
            "Parts of deleted posts and comments cleared away",
            lambda: self.parts,
        )
