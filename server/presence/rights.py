"""Rights: where it has changed who may see whom, those whom it may concern are looked at again."""

import asyncio

from persistence.faults import UnavailableError
from persistence.presence.contract import SightStore
from protocol.ids import UserId
from server.presence.interests import Interests
from server.presence.telling import Telling

LOOK_S = 2.0
LATELY_MS = 15_000
"""Statements that began longer ago have ended."""


class Rights:
    """Tells nothing by itself: `telling` asks for the rights of whoever is to be looked at again."""

    def __init__(self, sights: SightStore, interests: Interests, telling: Telling) -> None:
        self._sights = sights
        self._interests = interests
        self._telling = telling

    def look_again(self, a: UserId, b: UserId | None) -> None:
        """What these two may see of each other has changed; or, without `b`, what anybody and `a` may."""
        if b is None:
            self._telling.changed(a)
            self._telling.look_again(a)
        elif a in self._interests.of(b) or b in self._interests.of(a):
            self._telling.changed(a)
            self._telling.changed(b)

    async def sweep(self) -> None:
        """Until cancelled: whoever blocked somebody or hid themselves lately is looked at again, though the word of it
        may be lost."""
        done: set[tuple[UserId, UserId | None]] = set()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                lately = set(await self._sights.changed(LATELY_MS))
            except UnavailableError:
                continue
            for a, b in lately - done:
                self.look_again(a, b)
            done = lately
