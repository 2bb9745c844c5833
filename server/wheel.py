"""The timer wheel: one coarse timer for all connections instead of one each.

Every connection sits in one slot; when its second comes it says when it wants to be looked at next. Cost per idle
connection and minute: three list appends.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

SLOTS = 128

log = structlog.get_logger()


class Ticking(Protocol):
    def tick(self, now: float) -> float:
        """Do what is due and say in how many seconds to look again; 0 or less: never."""


class Wheel:
    """Seconds of resolution, at most `SLOTS` seconds ahead; `clock` is monotonic, in seconds.

    A fault in one tick ends the looks at that one, and at no other.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: list[list[Ticking]] = [[] for _ in range(SLOTS)]
        self._hand = int(clock())

    def add(self, ticking: Ticking, in_s: float) -> None:
        """Look at it after at least `in_s` seconds."""
        ahead = min(max(1, int(self._clock() + in_s) + 1 - self._hand), SLOTS - 1)
        self._slots[(self._hand + ahead) % SLOTS].append(ticking)

    def turn(self) -> None:
        """Look at everything whose second has come."""
        now = self._clock()
        while self._hand < int(now):
            self._hand += 1
            due, self._slots[self._hand % SLOTS] = self._slots[self._hand % SLOTS], []
            for ticking in due:
                try:
                    in_s = ticking.tick(now)
                except Exception:
                    log.exception("tick failed")
                    continue
                if in_s > 0:
                    self.add(ticking, in_s)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1 - self._clock() % 1)
            self.turn()
