"""Watchers: whom one user's devices have on screen, and when they are told of them.

At most one change is told per person and `EVERY_MS`, the latest one; a user who watches nobody has no Watchers.
"""

from collections.abc import Collection

from msgspec import Struct

from protocol.codec import Encoded
from protocol.events import PresenceChanged
from protocol.ids import ConversationId, Millis, UserId

EVERY_MS = 1_500


class Screen(Struct, frozen=True, gc=False):
    """What one connection shows."""

    users: frozenset[UserId]
    conversation: ConversationId | None


class Told(Struct, gc=False):
    """What was said of one person last; `at` is when as an event, 0 for never. `waiting` is what is to be said next."""

    event: PresenceChanged | None = None
    at: Millis = Millis(0)
    waiting: Encoded | None = None


class Watchers:
    """`screens` is what each connection shows."""

    __slots__ = ("_told", "screens")

    def __init__(self) -> None:
        self.screens: dict[int, Screen] = {}
        self._told: dict[UserId, Told] = {}

    def __bool__(self) -> bool:
        return bool(self.screens)

    @property
    def conversation(self) -> ConversationId | None:
        """The conversation that a device shows; that of the latest, if several do."""
        return next((screen.conversation for screen in reversed(self.screens.values()) if screen.conversation), None)

    def watch(self, connection: int, screen: Screen | None) -> tuple[list[UserId], list[UserId]]:
        """The connection shows this from now on; None: it is gone. Returns who is watched since, and who no more."""
        self.screens.pop(connection, None)
        if screen:
            self.screens[connection] = screen
        wanted = frozenset[UserId]().union(*(shown.users for shown in self.screens.values()))
        added = [user for user in wanted if user not in self._told]
        dropped = [user for user in self._told if user not in wanted]
        for user in added:
            self._told[user] = Told()
        for user in dropped:
            del self._told[user]
        return added, dropped

    def begin(self, events: Collection[PresenceChanged]) -> None:
        """This is what a reply says of people: what is told of them later differs from it."""
        for event in events:
            told = self._told.get(event.user)
            if told and told.event is None and told.waiting is None:
                told.event = event

    def see(self, encoded: Encoded, now: Millis) -> Encoded | None:
        """Somebody is seen like this: what is to be told of it now. What has to wait is `due` at `next_at`."""
        event = encoded.event
        assert isinstance(event, PresenceChanged)
        told = self._told.get(event.user)
        if told is None:
            return None
        told.waiting = None if event == told.event else encoded
        return self._tell(told, now)

    def due(self, now: Millis) -> list[Encoded]:
        """What waited until now."""
        return [encoded for told in self._told.values() if (encoded := self._tell(told, now))]

    def next_at(self) -> Millis | None:
        """When something is due next."""
        return min((Millis(told.at + EVERY_MS) for told in self._told.values() if told.waiting), default=None)

    def audience(self, user: UserId) -> list[int]:
        """The connections that show this person."""
        return [connection for connection, screen in self.screens.items() if user in screen.users]

    def _tell(self, told: Told, now: Millis) -> Encoded | None:
        """A clock that was set back holds nothing up for longer than what it is about."""
        encoded = told.waiting
        if encoded is None or told.at <= now < told.at + EVERY_MS:
            return None
        told.event, told.at, told.waiting = encoded.event, now, None  # type: ignore[assignment]
        return encoded
