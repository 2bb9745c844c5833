"""Patience: who has no time left for the database goes on without it, and what was asked is not broken off.

A statement that is cancelled takes its connection with it, and Postgres carries it out all the same: a database that is
slow would be asked to open connections besides.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from persistence.faults import UnavailableError

T = TypeVar("T")

AT_ONCE = 4
"""Readings that are under way, also those for which nobody waits any more."""
MOST = 1_000


class _Asked(NamedTuple):
    told: "asyncio.Future[Any]"
    read: Callable[[], Awaitable[Any]]


class Patience(Generic[T]):
    """Reads in the order asked. Whoever waits may give up at any time; a reading has its own bound."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Asked] = asyncio.Queue(MOST)

    async def read(self, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` finds, or raises; `UnavailableError` too when too many wait."""
        asked = _Asked(asyncio.get_running_loop().create_future(), read)
        try:
            self._waiting.put_nowait(asked)
        except asyncio.QueueFull:
            raise UnavailableError("too many wait for readings") from None
        found: T = await asked.told
        return found

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            asked = await self._waiting.get()
            if asked.told.done():
                continue
            try:
                found = await asked.read()
            except Exception as fault:
                if not asked.told.done():
                    asked.told.set_exception(fault)
            else:
                if not asked.told.done():
                    asked.told.set_result(found)
