"""The events between the connection and the application."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from .effects import HandOn
from .errors import Closed, Stopped
from .events import Event, Typing

HARD_FACTOR: Final = 8


class EventQueue:
    """A bounded queue with one reader, which iterates it. Asking for the next event says the last one is done with.

    Full means that the connection is not read until there is room (`full`), so the server sees a slow reader and in
    the end closes; nothing is lost by it. While a reply is awaited, reading goes on up to eight times the bound: an
    application may send from inside its own loop. Typing is dropped when full. `taken` hears of the last order done.
    """

    def __init__(self, bound: int, taken: Callable[[int], None]) -> None:
        self._bound = bound
        self._taken = taken
        self._events: deque[HandOn] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._in_hand = 0
        self._end: Stopped | None = None

    def __aiter__(self) -> EventQueue:
        return self

    async def __anext__(self) -> Event:
        self.done()
        while not self._events:
            if self._end is not None:
                if isinstance(self._end, Closed):
                    raise StopAsyncIteration
                raise self._end
            self._news.clear()
            await self._news.wait()
        handed = self._events.popleft()
        if len(self._events) < self._bound:
            self._room.set()
        self._in_hand = handed.order
        return handed.event

    def put(self, handed: HandOn) -> None:
        """An event to hand on."""
        if len(self._events) >= self._bound and isinstance(handed.event, Typing):
            return
        self._events.append(handed)
        self._news.set()

    def full(self, *, awaits_replies: bool) -> bool:
        """Whether the connection is to be left unread."""
        return len(self._events) >= (self._bound * HARD_FACTOR if awaits_replies else self._bound)

    def stir(self) -> None:
        """Something changed by which `full` may answer differently."""
        self._room.set()

    async def room(self) -> None:
        """Waits until `full` may answer differently: an event was taken, a request was made, the end came."""
        self._room.clear()
        await self._room.wait()

    def done(self) -> None:
        """The event last taken is done with."""
        if self._in_hand:
            order, self._in_hand = self._in_hand, 0
            self._taken(order)

    def end(self, error: Stopped) -> None:
        """Nothing more comes: the reader gets what is left, then the end (Closed) or the error."""
        self._end = error
        self._news.set()
        self._room.set()
