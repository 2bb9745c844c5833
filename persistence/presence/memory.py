"""The memory twins of presence: one Redis for all nodes of a test, and who may see whom."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from persistence.faults import UnavailableError
from persistence.presence.contract import LEASE_MS, Looking, News, Record, Sight
from protocol.ids import ConversationId, Millis, UserId


class Shelf:
    """What the stores of several nodes share. While it is `away` nobody is answered; `flush` forgets everything."""

    def __init__(self, now: Callable[[], Millis]) -> None:
        self.now = now
        self.records: dict[UserId, Record] = {}
        self.leases: dict[str, Millis] = {}
        self.listeners: list[asyncio.Queue[News | None]] = []
        self.away = False

    def flush(self) -> None:
        self.records.clear()
        self.leases.clear()

    def leave(self) -> None:
        """From now on nobody is answered, and whoever listens hears nothing more."""
        self.away = True
        for listener in self.listeners:
            listener.put_nowait(None)

    def reach(self) -> None:
        if self.away:
            raise UnavailableError("Redis did not answer")

    def publish(self, news: News) -> None:
        for listener in self.listeners:
            listener.put_nowait(news)


class MemoryPresence:
    """Keeps the contract `PresenceStore`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def write(self, records: Mapping[UserId, Record], news: News | None = None) -> None:
        self._shelf.reach()
        self._shelf.records |= records
        if news:
            self._shelf.publish(news)

    async def read(self, users: Sequence[UserId]) -> list[Record | None]:
        self._shelf.reach()
        return [self._shelf.records.get(user) for user in users]

    async def hold(self, node: str) -> None:
        self._shelf.reach()
        self._shelf.leases[node] = Millis(self._shelf.now() + LEASE_MS)

    async def renew(self, node: str, news: News, nodes: Sequence[str]) -> tuple[bool, set[str]]:
        self._shelf.reach()
        held = self._holds(node)
        if held:
            await self.hold(node)
        self._shelf.publish(news)
        return held, {other for other in nodes if self._holds(other)}

    def _holds(self, node: str) -> bool:
        return self._shelf.leases.get(node, 0) > self._shelf.now()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[News]]:
        self._shelf.reach()
        queue: asyncio.Queue[News | None] = asyncio.Queue()
        self._shelf.listeners.append(queue)

        async def heard() -> AsyncIterator[News]:
            while (news := await queue.get()) is not None:
                yield news
            raise UnavailableError("Redis is gone")

        try:
            yield heard()
        finally:
            self._shelf.listeners.remove(queue)


class MemorySights:
    """Keeps the contract `SightStore`. Edges are ordered pairs; `members` are those who accepted."""

    def __init__(self, now: Callable[[], Millis]) -> None:
        self._now = now
        self.members: dict[ConversationId, set[UserId]] = {}
        self.follows: set[tuple[UserId, UserId]] = set()
        self.blocks: dict[tuple[UserId, UserId], Millis] = {}
        self.hidden: dict[UserId, tuple[bool, Millis]] = {}

    async def sights(self, looking: Collection[Looking]) -> dict[UserId, dict[UserId, Sight]]:
        return {
            look.user: {other: self._sight(look.user, other, shown) for other, shown in look.others.items()}
            for look in looking
        }

    def _sight(self, user: UserId, other: UserId, shown: ConversationId | None) -> Sight:
        both = {user, other}
        together = any(both <= members for members in self.members.values())
        follow = {(user, other), (other, user)} <= self.follows
        blocked = (user, other) in self.blocks or (other, user) in self.blocks
        hidden = any(self.hidden.get(one, (False, 0))[0] for one in both)
        seen = (together or follow) and not blocked and not hidden
        return Sight(seen, seen and shown is not None and both <= self.members.get(shown, set()))

    async def is_visible(self, user: UserId) -> bool:
        return not self.hidden.get(user, (False, 0))[0]

    async def set_visible(self, user: UserId, visible: bool) -> None:
        self.hidden[user] = (not visible, self._now())

    async def changed(self, within_ms: int) -> list[tuple[UserId, UserId | None]]:
        since = self._now() - within_ms
        lately: list[tuple[UserId, UserId | None]] = [pair for pair, at in self.blocks.items() if at > since]
        return lately + [(user, None) for user, (_, at) in self.hidden.items() if at > since]
