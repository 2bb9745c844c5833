"""Endings: what is over is told to trays that are open, by a timer made of the stored time.

It only makes them punctual: no statement shows a story that is over, and every client was told when that is.
"""

import asyncio
from collections.abc import Awaitable, Callable

from persistence.stories.moving import PostgresMovingStories
from protocol.trays import StoryId
from server.outage import Outage

AT_A_TIME = 100
LOOK_S = 5.0
"""How often it is looked for stories whose end is not known here yet."""
RESTS_S = 0.005
"""Beyond the time that is left, so that it is over when it is looked."""


class Ending:
    """Tells the ends of everybody's stories, together with the other nodes: each takes what no other one has."""

    def __init__(self, store: PostgresMovingStories, ended: Callable[[StoryId], Awaitable[None]]) -> None:
        self._store = store
        self._ended = ended
        self._outage = Outage("ends of stories are told late")
        self._telling = Outage("the end of a story is not told")
        self.ended = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait_s = LOOK_S
            with self._outage.noted():
                wait_s = await self.look()
            await asyncio.sleep(wait_s)

    async def look(self) -> float:
        """Tell all that are over; in how many seconds to look again at the latest. Raises `UnavailableError`.

        They are told once: of whatever one fails, the others are told."""
        while over := await self._store.end(AT_A_TIME):
            for id in over:
                with self._telling.noted():
                    await self._ended(id)
            self.ended += len(over)
        left_s = await self._store.next_end_s()
        return LOOK_S if left_s is None else min(max(left_s, 0) + RESTS_S, LOOK_S)
