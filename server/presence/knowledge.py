"""Knowledge: what this node has read and heard of those who are watched here, and how they are seen therefore."""

import asyncio
from collections.abc import Iterable

from msgspec.structs import replace

from persistence.presence.contract import Record
from protocol.ids import UserId
from protocol.live import PresenceChanged
from server.cluster.membership import Membership
from server.presence.interests import Interests
from server.presence.telling import Telling
from server.presence.views import Ground, seen

SLICE = 20
"""People who are looked at again before others have their turn."""


class Knowledge:
    """Who is seen otherwise than before is told of by `telling`.

    `leases` are the nodes that had one when it was asked last.
    """

    def __init__(self, interests: Interests, telling: Telling, membership: Membership) -> None:
        self.leases: set[str] = set()
        self._interests = interests
        self._telling = telling
        self._membership = membership
        self._ground = Ground(False, frozenset(), True)
        self._moved = False

    @property
    def up(self) -> bool:
        """Anything is known at all: the store answers, or has until a moment ago."""
        return self._ground.up

    def views(self, user: UserId) -> tuple[PresenceChanged, PresenceChanged]:
        """How this user is seen by those who may, and by those who may not."""
        watched = self._interests.get(user)
        record = watched.record if watched else None
        known = watched is None or watched.known
        ground = self._ground if known else replace(self._ground, up=False)
        home = self._membership.placement.node_of(user)
        return seen(user, record, home, ground), seen(user, None, home, ground)

    def first_views(self, user: UserId) -> tuple[PresenceChanged, PresenceChanged]:
        """The same, as the first that anybody here is told of them."""
        views = self.views(user)
        if (watched := self._interests.get(user)) and watched.views is None:
            watched.views = views
        return views

    def hear(self, user: UserId, record: Record | None) -> None:
        """This is how the user stands; None: nothing is kept of them."""
        watched = self._interests.get(user)
        if watched is None:
            return
        watched.record, watched.known = record, True
        if watched.views is not None:
            self._reconsider([user])

    def find(self, user: UserId, record: Record | None, earlier: Record | None) -> None:
        """This was read; `earlier` is what was known when reading began, and what was heard since then is newer.

        Where nothing is kept any more, what is known here holds of those who are offline, and while their home has not
        written again.
        """
        watched = self._interests.get(user)
        if watched is None or watched.record is not earlier:
            return
        if record is None and earlier is not None:
            home = self._membership.placement.node_of(user)
            lost = earlier.state == "offline" or home not in self.leases
            record = earlier if lost else None
        self.hear(user, record)

    def move(self) -> None:
        """Homes have moved: at the next `stand_on` everybody is looked at again."""
        self._moved = True
        self._ground = replace(self._ground, moving=True)

    async def stand_on(self, ground: Ground) -> None:
        """See everybody by this from now on. Others have their turn while everybody is looked at again."""
        if ground == self._ground and not self._moved:
            return
        self._ground, self._moved = ground, False
        everybody = list(self._interests)
        for start in range(0, len(everybody), SLICE):
            self._reconsider(everybody[start : start + SLICE])
            await asyncio.sleep(0)

    def _reconsider(self, users: Iterable[UserId]) -> None:
        for user in users:
            watched = self._interests.get(user)
            if watched and watched.views and watched.views != (views := self.views(user)):
                watched.views = views
                if self.up:
                    self._telling.changed(user)
                else:
                    self._telling.unknown([user])
