"""A device's own copy of conversations, by the client rules of docs/protocol.md §3: strictly c, c + 1, c + 2."""

from collections.abc import Callable

from protocol.events import AnyLogEvent
from protocol.ids import ConversationId

Keep = Callable[[AnyLogEvent], None]


class Log:
    """One conversation from `base` (exclusive) on; `known` once it is clear where the copy starts.

    What comes too early is kept aside until the gap is filled; `more` is out there when the server has said so.
    """

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self.base = self.head = 0
        self.known = self.more = False
        self.events: list[AnyLogEvent] = []
        self.aside: dict[int, AnyLogEvent] = {}

    def start(self, after: int) -> None:
        """The copy starts behind `after`; without effect once it has started."""
        if not self.known:
            self.known = True
            self.base = self.head = after
            self._settle()

    def apply(self, event: AnyLogEvent) -> None:
        """Take the event if it is the next one, let it go if it is there, and keep it aside if others are missing."""
        if not self.known or event.c > self.head + 1:
            self.aside[event.c] = event
        elif event.c == self.head + 1:
            self._append(event)
            self._settle()

    @property
    def behind(self) -> bool:
        """Something is known to be missing."""
        return not self.known or self.more or bool(self.aside)

    def _append(self, event: AnyLogEvent) -> None:
        self.head = event.c
        self.events.append(event)
        self._keep(event)

    def _settle(self) -> None:
        for c in [c for c in self.aside if c <= self.head]:
            del self.aside[c]
        while event := self.aside.pop(self.head + 1, None):
            self._append(event)


class Logs(dict[ConversationId, Log]):
    """All copies of one device; asking for a new one makes it."""

    def __init__(self, keep: Keep) -> None:
        super().__init__()
        self._keep = keep

    def __missing__(self, id: ConversationId) -> Log:
        log = self[id] = Log(self._keep)
        return log

    def heads(self) -> dict[ConversationId, int]:
        """What is stored, for `sync`."""
        return {id: log.head for id, log in self.items() if log.known}
