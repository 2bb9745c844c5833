"""The events between the session and the application."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from .effects import HandOn
from .errors import Closed, Stopped
from .events import Event


class EventQueue:
    """A queue with one reader, which iterates it; the session bounds it (`backlog`).

    Asking for the next event says that the last one is done with: `taken` hears of its order.
    """

    def __init__(self, taken: Callable[[int], None]) -> None:
        self._taken = taken
        self._events: deque[HandOn] = deque()
        self._news = asyncio.Event()
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
                raise self._end.with_traceback(None)
            self._news.clear()
            await self._news.wait()
        handed = self._events.popleft()
        self._in_hand = handed.order
        return handed.event

    def put(self, handed: HandOn) -> None:
        """An event to hand on."""
        self._events.append(handed)
        self._news.set()

    def done(self) -> None:
        """The event last taken is done with."""
        if self._in_hand:
            order, self._in_hand = self._in_hand, 0
            self._taken(order)

    def end(self, error: Stopped) -> None:
        """Nothing more comes: the reader gets what is left, then the end (Closed) or the error."""
        self._end = error
        self._news.set()
