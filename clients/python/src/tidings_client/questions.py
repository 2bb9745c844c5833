"""What the user asked: each question is answered once, under its ticket."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from .conversations import read_conversation
from .effects import Answer, Effect
from .errors import Malformed, QueueFull, Stopped
from .events import Conversation
from .reading import map_of
from .requests import Request, Requests, Result
from .sends import SendQueues
from .store import Unsent

_MAKES_CONVERSATION: Final = frozenset({"conversation.open", "conversation.create"})


class Questions:
    """Requests and sends of the user, at most `bound` of them at a time: one more is answered with QueueFull.

    `adopt` hears of conversations the user made.
    """

    def __init__(
        self,
        requests: Requests,
        sends: SendQueues,
        bound: int,
        emit: Callable[[Effect], None],
        adopt: Callable[[Conversation], None],
    ) -> None:
        self._requests = requests
        self._sends = sends
        self._bound = bound
        self._emit = emit
        self._adopt = adopt
        self._asked: dict[int, Request] = {}

    def __len__(self) -> int:
        return len(self._asked) + len(self._sends)

    def ask(self, ticket: int, op: str, fields: dict[str, Any]) -> Request | None:
        """Any request but a send; None if there are too many."""
        if self._full(ticket):
            return None
        self._asked[ticket] = self._requests.ask(op, fields, partial(self._answered, ticket, op))
        return self._asked[ticket]

    def send(self, ticket: int, unsent: Unsent) -> None:
        """A send, which takes its place in the queue of its conversation."""
        if not self._full(ticket):
            self._sends.send(ticket, unsent)

    def abandon(self, ticket: int) -> None:
        """Nobody waits for this ticket any more. A send goes on all the same: it may have been carried out."""
        if request := self._asked.pop(ticket, None):
            self._requests.withdraw(request)
        else:
            self._sends.abandon(ticket)

    def refuse_all(self, error: Stopped) -> None:
        """The session ends: nobody who asked is left without an answer."""
        for ticket in [*self._asked, *self._sends.tickets()]:
            self._emit(Answer(ticket, error))
        self._asked.clear()

    def _full(self, ticket: int) -> bool:
        if full := len(self) >= self._bound:
            self._emit(Answer(ticket, QueueFull(f"{self._bound} requests wait")))
        return full

    def _answered(self, ticket: int, op: str, result: Result) -> None:
        del self._asked[ticket]
        if op in _MAKES_CONVERSATION and isinstance(result, dict):
            try:
                self._adopt(read_conversation(map_of(result, "conversation")))
            except Malformed as error:
                result = error
        self._emit(Answer(ticket, result))
