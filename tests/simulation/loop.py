"""A virtual-time event loop: when nothing is ready, the clock jumps to the next timer. No time really passes.

`asyncio.timeout`, `TaskGroup`, `call_later` and `sleep` work on it unchanged, because only the waiting is replaced.
"""

import asyncio
import gc
from collections.abc import Coroutine
from contextvars import Context
from random import Random
from typing import Any, TypeVar

from tests.simulation.process import RUNNING

Answer = TypeVar("Answer")


class Deadlock(Exception):
    """Everybody waits and no timer is set: in a real process this would hang for ever."""


class Livelock(Exception):
    """So much happens at one moment that time never goes on: in a real process this would be a spinning core."""


ROUNDS_PER_MOMENT = 2_000


class VirtualLoop(asyncio.BaseEventLoop):
    """Starts at 0.0 seconds. With `shuffle`, what became ready in one round runs in an order drawn from it.

    asyncio promises the order of `call_soon`, so a shuffled run may only be held against code that does not rely on it.
    """

    _ready: Any
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, shuffle: Random | None = None) -> None:
        super().__init__()
        self._seconds = 0.0
        # A timer at t is due at t; the real clock's nanosecond is lost in the digits of a large t.
        self._clock_resolution = 1e-6
        self._rounds = 0
        self._shuffle = shuffle
        self._selector = self
        self.broken: list[str] = []
        self.set_exception_handler(self._break)

    def _break(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What real loops only log: a callback or an unwatched task that ended in an exception."""
        self.broken.append(f"{context['message']}: {context.get('exception')!r}")

    def time(self) -> float:
        return self._seconds

    def select(self, timeout: float | None) -> list[Any]:
        """What the base class waits on between two rounds; it asks for its next timer, so that one is up."""
        if timeout is None:
            raise Deadlock("nobody is ready and no timer is set")
        self._rounds += 1
        if timeout > 0:
            self._seconds = max(self._seconds, self._scheduled[0].when())
            self._rounds = 0
        elif self._rounds > ROUNDS_PER_MOMENT:
            self._rounds = 0
            raise Livelock(f"time stands still at {self._seconds:.3f}")
        if self._shuffle and len(self._ready) > 1:
            ready = list(self._ready)
            self._shuffle.shuffle(ready)
            self._ready.clear()
            self._ready.extend(ready)
        return []

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        handle = super().call_soon(callback, *args, context=context)
        _belong(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        _belong(timer)
        return timer

    def _process_events(self, events: list[Any]) -> None:
        """There are no descriptors, so there are no events."""

    def _write_to_self(self) -> None:
        """Nobody is asleep in a system call, so nobody needs to be woken."""


def _belong(handle: Any) -> None:
    """What a simulated process has scheduled runs when that process does."""
    if process := handle._context.get(RUNNING):
        callback = handle._callback
        handle._callback = lambda *arguments: process.run(handle, callback, arguments)


def run(main: Coroutine[Any, Any, Answer], shuffle: Random | None = None) -> Answer:
    """Run to the end on a loop of its own; whatever is still under way then is cancelled.

    Garbage waits until then: when it is collected no seed determines, and to look for it takes a tenth of the time.
    """
    loop = VirtualLoop(shuffle)
    gc.disable()
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
        gc.enable()
