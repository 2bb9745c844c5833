"""The accounting of live events: each heard once, in order, by everybody it was for."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from time import monotonic
from typing import TypeAlias

from bench.client import Client
from bench.crowd import Crowd
from bench.faults import Faults
from bench.wire import Frame, User


class Audience:
    """A series of events for `sizes[number]` sockets each; `times[number]` are their seconds from the intended send."""

    def __init__(self, faults: Faults, sizes: Sequence[int]) -> None:
        self.times = [array("d") for _ in sizes]
        self.count = 0
        self.last_at = 0.0
        self._faults = faults
        self._expected = sum(sizes)
        self._due = array("d", bytes(8 * len(sizes)))
        self._done = asyncio.Event()

    def begin(self, number: int, due: float) -> None:
        """Event `number` is sent now and was intended for `due`."""
        self._due[number] = due

    def heard(self, number: int, at: float) -> None:
        """One socket heard it."""
        self.times[number].append(at - self._due[number])
        self.count += 1
        if self.count == self._expected:
            self.last_at = at
            self._done.set()

    async def complete(self, within: float) -> None:
        """Wait until everybody heard everything; what is missing after `within` seconds is lost."""
        try:
            async with asyncio.timeout(within):
                await self._done.wait()
        except TimeoutError:
            self.last_at = monotonic()
            self._faults.add("live events lost", f"within {within:.0f} s", self._expected - self.count)


class Listener(Client):
    """One device of a member of the group: expects every `typing` of others in the order it was sent."""

    __slots__ = ("audience", "device_number", "events", "excluded", "following", "heard_by", "member")

    def __init__(self, crowd: Crowd, user: User, member: int, device: int) -> None:
        super().__init__(crowd, user, f"device-{user.user}-{device}")
        self.member, self.device_number = member, device
        self.heard_by: set[Listener] | None = None
        self.audience: Audience | None = None
        self.events: Sequence[Event] = ()
        self.excluded = ""
        self.following = 0

    def attend(self, audience: Audience, events: Sequence[Event], excluded: str) -> None:
        """Expect `events` from now on, those left out that `excluded` keeps from this device."""
        self.audience, self.events, self.excluded = audience, events, excluded
        self.following = self._from(0)

    def happened(self, frame: Frame) -> None:
        if frame.ev != "typing":
            return
        if self.heard_by is not None:
            self.heard_by.add(self)
        elif self.audience is None or not self._is_next(frame):
            self.crowd.faults.add("live event lost, repeated or reordered", f"{frame.kind} of {frame.user}")
        else:
            self.audience.heard(self.following, self.read_at)
            self.following = self._from(self.following + 1)

    def _is_next(self, frame: Frame) -> bool:
        if self.following >= len(self.events):
            return False
        author, kind = self.events[self.following]
        return frame.user == author.user.user and frame.kind == kind

    def _from(self, number: int) -> int:
        while number < len(self.events) and excluded_by(self.excluded, self.events[number][0], self):
            number += 1
        return number


Event: TypeAlias = tuple[Listener, str]
"""Who typed, and which kind."""


def excluded_by(excluded: str, author: Listener, listener: Listener) -> bool:
    """Whether `listener` does not hear what the device `author` sent, by one of the three rules a server may have."""
    if excluded == "its author's devices":
        return author.member == listener.member
    return excluded == "the socket it came from" and author is listener
