"""What was told on this node of marks and settings: what comes late, from the log or from a writer that was slow, must
not let marks fall or bring back what was set before."""

from collections.abc import Callable

from msgspec import UNSET
from msgspec.structs import replace

from protocol.events import ReadMoved, ReceiptMoved, SettingsChanged
from protocol.facts import Choice
from protocol.ids import ConversationId, UserId

KEPT_S = 10.0
"""How long at least it is remembered; nothing comes later than that."""

Key = tuple[ConversationId, UserId, type | str]
Heights = tuple[int, int]


class Told:
    """How high the marks of each member stood, and which choice of each setting it was, when users here were told
    lately; `now` is monotonic seconds.

    Two dicts take turns: what was not told while one was filled is forgotten with it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._newer: dict[Key, Heights] = {}
        self._older: dict[Key, Heights] = {}
        self._turned = now()

    def rising(self, event: ReceiptMoved) -> ReceiptMoved | None:
        """What of others' marks is news."""
        delivered_c, read_c = event.delivered_c or 0, event.read_c or 0
        known = self._raise((event.conversation, event.user, ReceiptMoved), delivered_c, read_c)
        news = delivered_c if delivered_c > known[0] else UNSET, read_c if read_c > known[1] else UNSET
        if news == (event.delivered_c, event.read_c):
            return event
        return None if news == (UNSET, UNSET) else replace(event, delivered_c=news[0], read_c=news[1])

    def rising_own(self, user: UserId, event: ReadMoved) -> bool:
        """Whether a user's own mark is news."""
        return event.read_c > self._raise((event.conversation, user, ReadMoved), event.read_c)[0]

    def latest(self, user: UserId, choice: Choice) -> SettingsChanged | None:
        """What of a user's own settings is news. Choices are numbered from 1."""
        news = [name for name in choice.names if self._raise((choice.conversation, user, name), choice.v)[0] < choice.v]
        return choice.told(news) if news else None

    def _raise(self, key: Key, first: int, second: int = 0) -> Heights:
        """Note that it stands there now, unless it stood higher; returns where it stood."""
        if self._now() - self._turned > KEPT_S:
            self._newer, self._older, self._turned = {}, self._newer, self._now()
        known = self._newer.get(key) or self._older.get(key, (0, 0))
        self._newer[key] = max(known[0], first), max(known[1], second)
        return known
