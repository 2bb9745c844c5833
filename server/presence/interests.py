"""Interests: which people are watched by users of this node, and what is known of them."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from persistence.presence.contract import Record
from protocol.ids import UserId
from protocol.live import PresenceChanged


class Watched(Struct, eq=False):
    """Somebody who is watched. `known`: the record is what was read or heard, None being nothing.

    `views`: how they were seen last, by those who may and by those who may not.
    """

    watchers: set[UserId]
    record: Record | None = None
    known: bool = False
    views: tuple[PresenceChanged, PresenceChanged] | None = None


class Interests:
    """`pairs` counts who is watched by whom."""

    def __init__(self) -> None:
        self.pairs = 0
        self._people: dict[UserId, Watched] = {}
        self._of: dict[UserId, set[UserId]] = {}

    def __iter__(self) -> Iterator[UserId]:
        return iter(self._people)

    def get(self, user: UserId) -> Watched | None:
        return self._people.get(user)

    def of(self, watcher: UserId) -> set[UserId]:
        """Whom this user watches."""
        return self._of.get(watcher, set())

    @property
    def watchers(self) -> list[UserId]:
        return list(self._of)

    def add(self, watcher: UserId, users: Iterable[UserId]) -> None:
        """From now on these are watched, too."""
        mine = self._of.setdefault(watcher, set())
        for user in users:
            if user not in mine:
                mine.add(user)
                self._people.setdefault(user, Watched(set())).watchers.add(watcher)
                self.pairs += 1

    def drop(self, watcher: UserId, users: Iterable[UserId]) -> None:
        """These are watched by this user no more."""
        mine = self._of.get(watcher, set())
        for user in list(users):
            if user in mine:
                mine.discard(user)
                self.pairs -= 1
                watched = self._people[user]
                watched.watchers.discard(watcher)
                if not watched.watchers:
                    del self._people[user]
        if not mine:
            self._of.pop(watcher, None)
