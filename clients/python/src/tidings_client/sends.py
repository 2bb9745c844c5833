"""The send queues: per conversation, sends leave in the order they were asked for, retries included (contract §4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .effects import Answer, Effect, HandOn, Keep
from .errors import Refused, TidingsError
from .events import Event, SendEnded
from .reading import int_or_none
from .requests import Request, Requests, Result
from .store import Change, Unsent


@dataclass(slots=True, eq=False)
class _Send:
    unsent: Unsent
    tickets: list[int]
    request: Request | None = None


@dataclass(slots=True)
class _Queue:
    """`asked` of the first sends are requests already; `one_by_one` until the first un-acked one is decided."""

    sends: deque[_Send] = field(default_factory=deque)
    asked: int = 0
    one_by_one: bool = False


class SendQueues:
    """All sends without a final answer. `window` of them per conversation are in flight, one unless pipelined.

    Pipelined sends name their predecessor in `after` while it is undecided. On `out_of_order` that one and all behind
    it are taken back, and nothing but the first un-acked is in flight until it is decided.
    """

    def __init__(
        self, requests: Requests, window: int, emit: Callable[[Effect], None], hand_on: Callable[[Event], HandOn]
    ) -> None:
        self._requests = requests
        self._window = window
        self._emit = emit
        self._hand_on = hand_on
        self._queues: dict[str, _Queue] = {}
        self._by_cid: dict[tuple[str, str], _Send] = {}
        self._by_ticket: dict[int, _Send] = {}

    def __len__(self) -> int:
        return len(self._by_cid)

    def tickets(self) -> list[int]:
        """Everyone who waits."""
        return list(self._by_ticket)

    def restore(self, unsent: Unsent) -> None:
        """Takes up what an earlier process had queued."""
        self._append(_Send(unsent, []))

    def send(self, ticket: int, unsent: Unsent) -> None:
        """Queues a send, after it was remembered. The same `cid` with the same content joins the one that waits."""
        first = self._by_cid.get((unsent.conversation, unsent.cid))
        if first is None:
            self._emit(Keep(Change(queued=unsent)))
            first = _Send(unsent, [ticket])
            self._append(first)
        elif first.unsent.content == unsent.content:
            first.tickets.append(ticket)
        else:
            self._emit(Answer(ticket, Refused("id_reused", "another send with this cid waits")))
            return
        self._by_ticket[ticket] = first

    def abandon(self, ticket: int) -> None:
        """Nobody waits for this ticket any more; the send itself goes on, as it may have been carried out."""
        if send := self._by_ticket.pop(ticket, None):
            send.tickets.remove(ticket)

    def unheard(self, unsent: Unsent, result: Result) -> None:
        """What became of a send whose caller did not wait for it."""
        error = result if isinstance(result, TidingsError) else None
        c = None if isinstance(result, TidingsError) else int_or_none(result, "c")
        self._emit(self._hand_on(SendEnded(unsent.conversation, unsent.cid, c, error)))

    def _append(self, send: _Send) -> None:
        unsent = send.unsent
        self._by_cid[unsent.conversation, unsent.cid] = send
        queue = self._queues.setdefault(unsent.conversation, _Queue())
        queue.sends.append(send)
        self._fill(queue)

    def _fill(self, queue: _Queue) -> None:
        window = 1 if queue.one_by_one else self._window
        while queue.asked < min(window, len(queue.sends)):
            send, unsent = queue.sends[queue.asked], queue.sends[queue.asked].unsent
            fields: dict[str, Any] = {"conversation": unsent.conversation, "cid": unsent.cid, **unsent.content}
            if queue.asked:
                fields["after"] = queue.sends[queue.asked - 1].unsent.cid
            send.request = self._requests.ask(
                "message.send", fields, partial(self._decided, queue, send), partial(self._out_of_order, queue, send)
            )
            queue.asked += 1

    def _decided(self, queue: _Queue, send: _Send, result: Result) -> None:
        place = queue.sends.index(send)
        queue.asked -= 1
        queue.one_by_one = queue.one_by_one and place > 0
        del queue.sends[place]
        del self._by_cid[send.unsent.conversation, send.unsent.cid]
        if isinstance(result, TidingsError):
            self._relink(queue, place, send.unsent.cid)
        self._emit(Keep(Change(settled=(send.unsent.conversation, send.unsent.cid))))
        if queue.sends:
            self._fill(queue)
        else:
            del self._queues[send.unsent.conversation]
        self._tell(send, result)

    def _tell(self, send: _Send, result: Result) -> None:
        for ticket in send.tickets:
            del self._by_ticket[ticket]
            self._emit(Answer(ticket, result))
        if not send.tickets:
            self.unheard(send.unsent, result)

    def _relink(self, queue: _Queue, place: int, cid: str) -> None:
        """Nothing may wait for a predecessor that will never be in the log: it follows the one before that."""
        request = queue.sends[place].request if place < len(queue.sends) else None
        if request is None or request.fields.get("after") != cid:
            return
        if place:
            request.fields["after"] = queue.sends[place - 1].unsent.cid
        else:
            del request.fields["after"]

    def _out_of_order(self, queue: _Queue, refused: _Send) -> bool:
        place = queue.sends.index(refused)
        if place == 0:
            return False
        for send in list(queue.sends)[place : queue.asked]:
            assert send.request is not None
            self._requests.withdraw(send.request)
            send.request = None
        queue.asked = place
        queue.one_by_one = True
        return True
