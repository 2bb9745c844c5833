"""Relating: who begins or ceases to see somebody's stories has them in the tray, or has them no more, at once.

What is told here may be lost, as every live event: the next look at the tray is right anyway.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from persistence.graph.contract import Deed
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from protocol.graph import Relation
from protocol.ids import UserId
from protocol.live import TrayChanged
from protocol.trays import TrayStory
from server.outage import Outage

ENDS: frozenset[Deed] = frozenset(("unfollow", "remove", "block", "unfriend"))
"""Deeds of which it has to be known what they end: who had nothing is not told that it is gone."""
MOST = 10_000

_Look = Callable[[], Coroutine[Any, Any, None]]


class Relating:
    """`tell` reaches a user's devices."""

    def __init__(
        self,
        stories: PostgresStories,
        moving: PostgresMovingStories,
        tell: Callable[[UserId, TrayChanged], None],
    ) -> None:
        self._stories = stories
        self._moving = moving
        self._tell = tell
        self._waiting: asyncio.Queue[_Look] = asyncio.Queue(MOST)
        self._outage = Outage("changes of trays are not told")

    def related(self, deed: Deed, me: UserId, them: UserId, before: Relation | None) -> None:
        """I have done this to them; `before` is where I stood with them, for deeds of `ENDS`."""
        if deed == "follow":
            self._put(lambda: self._gained(me, them))
        elif deed in ("accept", "befriend"):
            self._put(lambda: self._gained(them, me))
        if before is None or deed not in ENDS:
            return
        if deed == "unfriend":
            if before.close_friend and before.reverse == "following":
                self._put(lambda: self._unfriended(them, me))
            return
        if before.state == "following" and deed != "remove":
            self._put(lambda: self._lost(me, them))
        if before.reverse == "following" and deed != "unfollow":
            self._put(lambda: self._lost(them, me))

    def accepted(self, me: UserId, them: Sequence[UserId]) -> None:
        """All of these follow me now. They wait as one: who opens their profile to thousands delays nobody else."""
        if them:
            self._put(lambda: self._all_gained(them, me))

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            look = await self._waiting.get()
            with self._outage.noted():
                await look()

    def _put(self, look: _Look) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(look)

    async def _all_gained(self, viewers: Sequence[UserId], author: UserId) -> None:
        if await self._moving.has_any(author):
            for viewer in viewers:
                await self._gained(viewer, author)

    async def _gained(self, viewer: UserId, author: UserId) -> None:
        entry = await self._stories.tray_of(viewer, author)
        if entry and not entry.muted:
            stories = tuple(TrayStory(one.id, one.expires_at, one.close_friends) for one in entry.stories)
            self._tell(viewer, TrayChanged("add", author, stories))

    async def _lost(self, viewer: UserId, author: UserId) -> None:
        if await self._moving.has_any(author):
            self._tell(viewer, TrayChanged("remove", author, ()))

    async def _unfriended(self, viewer: UserId, author: UserId) -> None:
        if stories := await self._moving.close_ones(author):
            self._tell(viewer, TrayChanged("remove", author, stories))
