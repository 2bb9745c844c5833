"""Requests in flight on one connection: which have begun, and which wait for others to be answered first."""

from collections import deque

from protocol.errors import Refusal
from protocol.requests import (
    AcceptConversation,
    Asking,
    Background,
    ChangeSettings,
    DeclineConversation,
    MarkRead,
    SendMessage,
)

MOST = 128
QUESTIONS = 4
"""Answers to questions have up to 256 KiB; no more of them than this may come together."""

DECISIONS = (SendMessage, MarkRead, ChangeSettings, AcceptConversation, DeclineConversation, Background)
"""What is answered by an actor, with little."""

REPEATED = Refusal("bad_request", "id: a request with this id is still in flight")
TOO_MANY = Refusal("unavailable", "too many requests in flight on this connection", 200)


class InFlight:
    """One reply per id, at most `MOST` at a time; questions wait while `QUESTIONS` are being answered.

    It exists only while something is in flight: an idle connection pays nothing for it.
    """

    __slots__ = ("_questions", "_since", "starting", "waiting")

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._questions: set[int] = set()
        self.waiting: deque[Asking] = deque()
        self.starting = False
        """Somebody is emptying `waiting` already."""

    @property
    def empty(self) -> bool:
        return not self._since

    def add(self, request: Asking, now: float) -> Refusal | None:
        """Enter a request that arrived at `now`; the refusal if it may not be."""
        if request.id in self._since:
            return REPEATED
        if len(self._since) >= MOST:
            return TOO_MANY
        self._since[request.id] = now
        return None

    def may_start(self, request: Asking, full: bool) -> bool:
        """Whether an entered request may go on now; else it is for `next_waiting`. `full`: the socket takes no more."""
        if isinstance(request, DECISIONS):
            return True
        if full or self.waiting or len(self._questions) >= QUESTIONS:
            self.waiting.append(request)
            return False
        self._questions.add(request.id)
        return True

    def next_waiting(self) -> Asking | None:
        """A question that may go on now, when the connection is not full."""
        if not self.waiting or len(self._questions) >= QUESTIONS:
            return None
        request = self.waiting.popleft()
        self._questions.add(request.id)
        return request

    def answer(self, id: int) -> float | None:
        """Take a request out; when it arrived, or None when there is none of this id."""
        self._questions.discard(id)
        return self._since.pop(id, None)
