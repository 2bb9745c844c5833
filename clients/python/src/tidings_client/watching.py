"""Who is on screen: the last `presence.watch`, said again where the server does not know it any more (contract §5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .backlog import Backlog
from .effects import Effect
from .event_reading import read_presence
from .inbox import Inbox
from .reading import maps_of
from .requests import Request, Requests, Result

WATCH: Final = "presence.watch"
BACKGROUND: Final = "background"


class Watching:
    """Repeats the last watch of the user, and hands on what that is answered with as the events that were missed."""

    def __init__(self, requests: Requests, inbox: Inbox, backlog: Backlog, emit: Callable[[Effect], None]) -> None:
        self._requests = requests
        self._inbox = inbox
        self._backlog = backlog
        self._emit = emit
        self._last: Request | None = None
        self._repeated: Request | None = None

    def asked(self, request: Request | None) -> None:
        """The user asks this: another watch, or to leave the background, in which nothing was told."""
        if request and request.op == WATCH:
            self._last = request
            self._take_back()
        elif request and request.op == BACKGROUND and not request.fields.get("on"):
            self.again()

    def again(self) -> None:
        """The server has forgotten it; what has had no answer yet is repeated anyway."""
        if (last := self._last) is None or not last.ended:
            return
        self._take_back()
        if last.fields.get("users") or last.fields.get("conversation"):
            self._repeated = self._requests.ask(WATCH, last.fields, self._answered)

    def _take_back(self) -> None:
        if self._repeated is not None:
            self._requests.withdraw(self._repeated)
            self._repeated = None

    def _answered(self, result: Result) -> None:
        self._repeated = None
        if not isinstance(result, dict):
            self._last = None
        elif not self._backlog.crowded:
            for person in maps_of(result, "users"):
                self._emit(self._inbox.hand_on(read_presence(person)))
