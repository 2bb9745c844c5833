"""When things are sent: schedules fixed in advance, and the pacer that keeps them and reports its own lag."""

from __future__ import annotations

import asyncio
import ctypes
import os
from array import array
from collections.abc import Callable
from random import Random
from time import monotonic

CLOCK_MONOTONIC, ABSOLUTE, NONBLOCK_CLOEXEC = 1, 1, 0o2004000


def steady(rate: float, seconds: float) -> array[float]:
    """Seconds from the start of each send at an even `rate` per second."""
    return array("d", (k / rate for k in range(int(rate * seconds))))


def poisson(rate: float, seconds: float, random: Random) -> array[float]:
    """Poisson arrivals at `rate` per second for `seconds`."""
    offsets = array("d")
    at = random.expovariate(rate)
    while at < seconds:
        offsets.append(at)
        at += random.expovariate(rate)
    return offsets


def ramp(count: int, first: float, last: float) -> array[float]:
    """`count` arrivals whose rate rises evenly from `first` to `last` per second."""
    offsets = array("d", [0.0])
    for k in range(count - 1):
        offsets.append(offsets[-1] + 1 / (first + (last - first) * k / count))
    return offsets


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Timer(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """A timerfd(2): calls back at a monotonic second. An event loop's own timers are whole milliseconds."""

    def __init__(self, ring: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = int(libc.timerfd_create(CLOCK_MONOTONIC, NONBLOCK_CLOEXEC))
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._timer = _Timer()
        self._value = self._timer.value
        self._settime = libc.timerfd_settime
        self._arguments = (ctypes.c_int(self._fd), ctypes.c_int(ABSOLUTE), ctypes.byref(self._timer), None)
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._rang)

    def set(self, at: float) -> None:
        """Ring at the monotonic second `at`, or at once if it has passed."""
        seconds = int(at)
        self._value.seconds = seconds
        self._value.nanoseconds = int((at - seconds) * 1e9) + 1
        if self._settime(*self._arguments):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Give the descriptor back."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _rang(self) -> None:
        os.read(self._fd, 8)
        self._ring()


class Pacer:
    """Calls `send(k, due)` for every offset of a schedule at its time, however long the answers take.

    `due` is the intended monotonic second: latencies count from it. `lags` holds, for each send, how many seconds
    late the generator itself was.
    """

    def __init__(self, offsets: array[float], send: Callable[[int, float], None]) -> None:
        self._offsets = offsets
        self._send = send
        self._next = 0
        self.started = 0.0
        self.lags = array("d")

    async def run(self) -> None:
        """Send everything; returns after the last send."""
        if not self._offsets:
            return
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alarm = Alarm(self._due)
        self.started = monotonic() + 0.005
        self._alarm.set(self.started + self._offsets[0])
        try:
            await self._done
        finally:
            self._alarm.close()

    def _due(self) -> None:
        offsets, last = self._offsets, len(self._offsets)
        while self._next < last:
            due = self.started + offsets[self._next]
            late = monotonic() - due
            if late < 0:
                self._alarm.set(due)
                return
            self.lags.append(late)
            self._next += 1
            self._send(self._next - 1, due)
        if not self._done.done():
            self._done.set_result(None)
