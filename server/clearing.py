"""Clearing away what is left of something that was deleted, part by part."""

import asyncio
from collections.abc import Awaitable, Callable

from server.outage import Outage

LOOK_S = 10.0
PAUSE_S = 0.05
"""The least time from one part to the next: whoever waits for an answer goes first."""


class Clearing:
    """All nodes do it together: `clear` takes a part that no other one has, and is False when there is none. `what` is
    logged while it fails."""

    def __init__(self, clear: Callable[[], Awaitable[bool]], what: str) -> None:
        self._clear = clear
        self._outage = Outage(what)
        self.parts = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            with self._outage.noted():
                while await self._clear():
                    self.parts += 1
                    await asyncio.sleep(PAUSE_S)
