"""Clearing away what is left of deleted stories."""

import asyncio
from collections.abc import Awaitable, Callable

from persistence.faults import UnavailableError
from server.outage import Outage

LOOK_S = 10.0
PAUSE_S = 0.05
"""The least time from one part to the next: whoever waits for an answer goes first."""


class Clearing:
    """All nodes do it together: `clear` takes a part that no other one has, and is False when there is none."""

    def __init__(self, clear: Callable[[], Awaitable[bool]]) -> None:
        self._clear = clear
        self._outage = Outage("deleted stories are not cleared away")
        self.parts = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                while await self._clear():
                    self.parts += 1
                    await asyncio.sleep(PAUSE_S)
                self._outage.is_over()
            except Exception as fault:
                self._outage.goes_on(fault, stack=not isinstance(fault, UnavailableError))
