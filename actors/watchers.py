"""Watchers: whom one user's devices have on screen, and when they are told of them.

At most one change is told per person and `EVERY_MS`, the latest one; a user who watches nobody has no Watchers.
"""

from collections.abc import Collection

from msgspec import Struct

from protocol.codec import Encoded
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import PresenceChanged

EVERY_MS = 1_500


class Screen(Struct, frozen=True, gc=False):
    """What one connection shows."""

    users: frozenset[UserId]
    conversation: ConversationId | None


class Told(Struct, gc=False):
    """What was said of one person last; `at` is when as an event, 0 for never."""

    event: PresenceChanged | None = None
    at: Millis = Millis(0)


class Watchers:
    """`screens` is what each connection shows."""

    __slots__ = ("_told", "_waiting", "screens")

    def __init__(self) -> None:
        self.screens: dict[int, Screen] = {}
        self._told: dict[UserId, Told] = {}
        # What is to be said next, of the few of whom something was said just now.
        self._waiting: dict[UserId, Encoded] = {}

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
            self._waiting.pop(user, None)
        return added, dropped

    def begin(self, events: Collection[PresenceChanged]) -> None:
        """This is what a reply says of people: what is told of them later differs from it."""
        for event in events:
            told = self._told.get(event.user)
            if told and told.event is None and event.user not in self._waiting:
                told.event = event

    def see(self, encoded: Encoded, now: Millis) -> Encoded | None:
        """Somebody is seen like this: what is to be told of it now. What has to wait is `due` at `next_at`."""
        event = encoded.event
        assert isinstance(event, PresenceChanged)
        told = self._told.get(event.user)
        if told is None:
            return None
        self._waiting.pop(event.user, None)
        if event == told.event:
            return None
        # A clock that was set back holds nothing up for longer than what it is about.
        if told.at <= now < told.at + EVERY_MS:
            self._waiting[event.user] = encoded
            return None
        told.event, told.at = event, now
        return encoded

    def due(self, now: Millis) -> list[Encoded]:
        """What waited until now."""
        return [told for encoded in list(self._waiting.values()) if (told := self.see(encoded, now))]

    def next_at(self) -> Millis | None:
        """When something is due next."""
        return min((Millis(self._told[user].at + EVERY_MS) for user in self._waiting), default=None)

    def shows(self, connection: int, user: UserId) -> bool:
        """The connection shows this person."""
        screen = self.screens.get(connection)
        return screen is not None and user in screen.users
