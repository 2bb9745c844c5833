"""Telling: devices that are connected hear what became of a group, each group at most once a second."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from persistence.notifications.contract import NotificationStore
from protocol.events import NotificationChanged, NotificationGone
from protocol.ids import UserId
from server.notifications.wording import shown
from server.outage import Outage

EVERY_S = 1.0
AT_A_TIME = 200
MOST = 20_000
"""Groups that wait to be told. What is beyond is not told: a list that is read anew has it."""

Event = NotificationChanged | NotificationGone


class Telling:
    """Runs where users have their home. `here`: a device of this user may be listening; `tell` reaches them."""

    def __init__(
        self, store: NotificationStore, here: Callable[[UserId], bool], tell: Callable[[UserId, Event], None]
    ) -> None:
        self._store = store
        self._here = here
        self._tell = tell
        self._waiting: dict[int, UserId] = {}
        self._touched = asyncio.Event()
        self._outage = Outage("notifications are not told live")

    def touched(self, user: UserId, groups: Sequence[int]) -> None:
        """These groups changed: what they are when they are told counts."""
        if self._here(user) and len(self._waiting) < MOST:
            self._waiting.update(dict.fromkeys(groups, user))
            self._touched.set()

    async def run(self) -> None:
        """Until cancelled. What cannot be read is not told: devices read their list when they come back."""
        while True:
            await self._touched.wait()
            self._touched.clear()
            with self._outage.noted():
                await self.tell()
            await asyncio.sleep(EVERY_S)

    async def tell(self) -> None:
        """Tell what waits."""
        waiting, self._waiting = self._waiting, {}
        groups = list(waiting)
        for start in range(0, len(groups), AT_A_TIME):
            ids = groups[start : start + AT_A_TIME]
            sights, locales = await self._store.sights(ids)
            told = {sight.group.id: sight for sight in sights if sight.members}
            for id in ids:
                user, sight = waiting[id], told.get(id)
                if sight is None:
                    self._tell(user, NotificationGone(str(id)))
                else:
                    notification = msgspec.structs.asdict(shown(sight, locales.get(user)))
                    self._tell(user, NotificationChanged(**notification))
