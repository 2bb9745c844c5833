"""Closing: windows that are over become alerts. The rows make it sure, whoever is there; a timer makes it punctual."""

import asyncio
from collections import defaultdict

import structlog

from actors.notifier import Alert, Close, Notifier
from actors.preferences import OffsetAt
from persistence.notifications.contract import Closed, Due, NotificationStore, Reader, Sight
from protocol.groups import Known
from protocol.ids import Millis, UserId
from server.notifications.wording import job, summary
from server.outage import Outage

AT_A_TIME = 200
LOOK_S = 5.0
"""How often it is looked for windows of other nodes, which may be gone."""
RESTS_S = 0.05
"""The least time between two looks."""
TRIM_S = 600.0
COUNT_S = 15.0
"""How often open windows are counted, which takes longer the more there are."""

log = structlog.get_logger()


class Closing:
    """Closes the windows of everybody, together with the other nodes: each takes what no other one has."""

    def __init__(self, store: NotificationStore, offset_at: OffsetAt) -> None:
        self._store = store
        self._offset_at = offset_at
        self._due = asyncio.Event()
        self._outage = Outage("windows wait")
        self._counted_at = -COUNT_S
        self.pushed = 0
        self.windows = 0

    def due(self) -> None:
        """A window is over before the next look."""
        self._due.set()

    async def run(self) -> None:
        """Until cancelled. While Postgres is away nothing is lost: windows are closed when it is back."""
        while True:
            wait_s = LOOK_S
            with self._outage.noted():
                wait_s = await self.look()
            await asyncio.sleep(RESTS_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._due.wait()
            except TimeoutError:
                pass

    async def look(self) -> float:
        """Close all that are over; in how many seconds to look again at the latest."""
        self._due.clear()
        while await self._store.close(AT_A_TIME, self.decide):
            pass
        now = asyncio.get_running_loop().time()
        if now - self._counted_at >= COUNT_S:
            self._counted_at = now
            self.windows = await self._store.open_windows()
        left = await self._store.next_due()
        return LOOK_S if left is None else min(max(left / 1_000, RESTS_S), LOOK_S)

    async def trim(self) -> None:
        """Remove what is too old, until cancelled."""
        while True:
            await asyncio.sleep(TRIM_S)
            try:
                while await self._store.trim():
                    pass
            except Exception as fault:
                log.warning("old notifications stay", fault=repr(fault))

    def decide(self, due: Due) -> Closed:
        """What becomes of these windows."""
        theirs = defaultdict[UserId, list[Sight]](list)
        for sight in due.sights:
            theirs[sight.group.user].append(sight)
        groups, jobs = [], []
        for user, sights in theirs.items():
            closed = close(sights, due.readers[user], due.now, self._offset_at)
            groups += closed.groups
            jobs += closed.jobs
        self.pushed += len(jobs)
        return Closed(groups, jobs)


def close(sights: list[Sight], reader: Reader, now: Millis, offset_at: OffsetAt) -> Closed:
    """What becomes of these windows of one person: what was held for quiet hours is told as one."""
    known = Known(reader.preferences, {sight.group.id: sight.group for sight in sights}, {}, {})
    notifier = Notifier(known, offset_at)
    alerts: list[tuple[Alert, Sight]] = []
    for sight in sights:
        if alert := notifier.close(Close(sight.group.id, sight.news and sight.members > 0), now):
            alerts.append((alert, sight))
    held = [alert for alert, _ in alerts if alert.held]
    jobs = [summary(held, reader, now)] if len(held) > 1 else []
    jobs += [job(alert, sight, reader, now) for alert, sight in alerts if len(held) < 2 or not alert.held]
    return Closed(notifier.changes().changed, jobs)
