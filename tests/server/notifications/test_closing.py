"""Windows are closed in time while Postgres is there, and when it is back."""

import asyncio
from collections.abc import Callable

from persistence.faults import UnavailableError
from persistence.notifications.contract import Closed, Due
from persistence.notifications.memory import MemoryNotifications, Tables
from protocol.ids import EPOCH, Millis, UserId
from server.notifications.closing import LOOK_S, Closing
from server.notifications.folding import Folding
from server.notifications.zones import offset_at
from tests.contracts.notification_grounds import deed, event
from tests.simulation.loop import run

ME, ADA = UserId("9216"), UserId("17")
START_MS = EPOCH + 40_000_000_000


class Absent(MemoryNotifications):
    """A store that is away at times."""

    away = False
    broken = False

    async def close(self, limit: int, decide: Callable[[Due], Closed]) -> int:
        if self.away:
            raise UnavailableError("away")
        if self.broken:
            raise ZeroDivisionError
        return await super().close(limit, decide)


def now() -> Millis:
    return Millis(START_MS + round(asyncio.get_running_loop().time() * 1_000))


class Node:
    def __init__(self) -> None:
        self.tables = Tables({ADA: ("ada", None, None)})
        self.store = Absent(now, self.tables)
        self.closing = Closing(self.store, offset_at)
        self.folding = Folding(self.store, offset_at, lambda told: None, self.closing.due)
        self.task = asyncio.create_task(self.closing.run())

    async def pushed_after(self, most_s: float) -> float:
        """How long it takes until something is pushed, in steps of 10 ms."""
        start = asyncio.get_running_loop().time()
        while not self.tables.jobs:
            await asyncio.sleep(0.01)
            assert asyncio.get_running_loop().time() - start < most_s
        return asyncio.get_running_loop().time() - start


def test_a_window_closes_when_it_is_over_and_a_mention_at_once() -> None:
    async def test() -> None:
        node = Node()
        await node.folding([event(deed(ADA, ME))])
        assert 30 <= await node.pushed_after(31) < 30.2
        node.tables.jobs.clear()
        await node.folding([event(deed(ADA, ME, kind="mention"))])
        assert await node.pushed_after(1) < 0.2
        node.task.cancel()

    run(test())


def test_what_is_over_while_postgres_is_away_is_told_when_it_is_back() -> None:
    async def test() -> None:
        node = Node()
        node.store.away = True
        await node.folding([event(deed(ADA, ME))])
        await asyncio.sleep(60)
        node.store.away, node.store.broken = False, True
        await asyncio.sleep(60)
        assert not node.tables.jobs
        node.store.broken = False
        assert await node.pushed_after(LOOK_S + 1) <= LOOK_S + 1
        await asyncio.sleep(60)
        assert len(node.tables.jobs) == 1
        node.task.cancel()

    run(test())
