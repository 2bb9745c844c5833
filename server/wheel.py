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
    def tick(self, second: int) -> int:
        """Do what is due by now and say in which second to look again; 0: never."""


class Wheel:
    """Seconds of resolution, at most `SLOTS` seconds ahead; `clock` is monotonic, in seconds.

    A fault in one tick ends the looks at that one, and at no other.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._slots: list[list[Ticking]] = [[] for _ in range(SLOTS)]
        self._hand = int(clock())
        self._seconds = [self._hand - self._hand % SLOTS + slot for slot in range(SLOTS)]
        self._seconds = [second if second >= self._hand else second + SLOTS for second in self._seconds]

    def after(self, in_s: float) -> int:
        """The second that begins after at least `in_s` seconds: one int for all, however many keep it."""
        ahead = min(max(1, int(self._clock() + in_s) + 1 - self._hand), SLOTS - 1)
        return self._seconds[(self._hand + ahead) % SLOTS]

    def add(self, ticking: Ticking, second: int) -> None:
        """Look at it in that second, or in the next if that has passed."""
        self._slots[max(second, self._hand + 1) % SLOTS].append(ticking)

    def turn(self) -> None:
        """Look at everything whose second has come."""
        while self._hand < int(self._clock()):
            self._seconds[self._hand % SLOTS] += SLOTS
            self._hand += 1
            due, self._slots[self._hand % SLOTS] = self._slots[self._hand % SLOTS], []
            for ticking in due:
                try:
                    second = ticking.tick(self._hand)
                except Exception:
                    log.exception("tick failed")
                    continue
                if second:
                    self.add(ticking, second)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1 - self._clock() % 1)
            self.turn()
