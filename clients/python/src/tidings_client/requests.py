"""What was asked and has no final answer: written in the order asked, repeated as its error code says (contract §2).

Every request of the contract may be repeated: those that create carry a `cid`, the others change nothing twice.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from .closing import full_jitter
from .errors import OutcomeUnknown, Refused, TidingsError
from .pace import Pace
from .reading import Body, int_of, int_or_none, map_of, text_of, text_or_none

REPLY_MS: Final = 10_000
INTERNAL_TRIES: Final = 3
_LARGEST_ID: Final = 2**31

FINAL: Final = frozenset(
    {"bad_request", "unknown_op", "forbidden", "not_found", "conflict_state", "id_reused", "too_large"}
)
AGAIN: Final = frozenset({"out_of_order", "rate_limited", "unavailable", "unknown_outcome"})

Result: TypeAlias = dict[str, Any] | TidingsError


@dataclass(slots=True, eq=False)
class Request:
    """One request. `then` hears its final answer, once; `out_of_order` hears that refusal and says whether it took the
    request back (sends only)."""

    order: int
    op: str
    fields: dict[str, Any]
    then: Callable[[Result], None]
    out_of_order: Callable[[], bool] | None = None
    ids: list[int] = field(default_factory=list)
    tries: int = 0
    internal: int = 0
    stale_tokens: int = 0
    waiting: bool = True
    ended: bool = False


class Requests:
    """The requests of one session, across its connections. `write` takes the message of a request."""

    def __init__(self, write: Callable[[dict[str, Any]], None], random: Callable[[], float]) -> None:
        self.now = 0
        self.stale_token = False
        self.listening_since = 0
        self._write = write
        self._random = random
        self._pace = Pace()
        self._orders = 0
        self._last_id = 1
        self._ready: deque[Request] = deque()
        self._later: list[tuple[int, int, Request]] = []
        self._flying: dict[int, Request] = {}
        self._due: deque[tuple[int, int]] = deque()

    def ask(
        self,
        op: str,
        fields: dict[str, Any],
        then: Callable[[Result], None],
        out_of_order: Callable[[], bool] | None = None,
        after_ms: int = 0,
    ) -> Request:
        """Queues a request; it leaves with the next `flush` that is at least `after_ms` away."""
        self._orders += 1
        request = Request(self._orders, op, fields, then, out_of_order)
        if after_ms:
            self._again(request, after_ms)
        else:
            self._ready.append(request)
        return request

    def withdraw(self, request: Request) -> None:
        """Forgets a request that nobody waits for; a reply that still comes is ignored."""
        request.ended = True
        for request_id in request.ids:
            self._flying.pop(request_id, None)

    def connected(self, pace: Pace) -> None:
        """A new connection: ids start anew after hello's 1, and its own limits hold."""
        self._pace, self._last_id, self.stale_token = pace, 1, False

    def lost(self) -> None:
        """The connection is gone, and every reply with it: what flew leaves again, first, in the order asked."""
        flew = sorted({r for r in self._flying.values() if not r.waiting}, key=lambda r: r.order, reverse=True)
        for request in self._flying.values():
            request.ids.clear()
            request.waiting = True
        self._flying.clear()
        self._due.clear()
        self._ready.extendleft(flew)

    def flush(self) -> None:
        """Writes what is due and what the pace allows. To be called only on a connection that has been welcomed."""
        while self._later and self._later[0][0] <= self.now:
            self._ready.append(heapq.heappop(self._later)[2])
        while self._ready:
            if self._ready[0].ended:
                self._ready.popleft()
            elif self._pace.may_at(self.now) <= self.now:
                self._pace.spend(self.now)
                self._fly(self._ready.popleft())
            else:
                return

    def expire(self) -> None:
        """Asks again what has had no reply for 10 s of reading; a late reply to the earlier try still counts."""
        while self._due and self._due_at() <= self.now:
            request_id = self._due.popleft()[1]
            request = self._flying.get(request_id)
            if request is not None and request.ids[-1] == request_id:
                request.waiting = True
                self._ready.append(request)

    def next_at(self) -> int | None:
        """When `expire` or `flush` has something to do, or None."""
        while self._due and self._due[0][1] not in self._flying:
            self._due.popleft()
        times = [self._due_at()] if self._due else []
        if self._later:
            times.append(self._later[0][0])
        if self._ready:
            times.append(self._pace.may_at(self.now))
        return min(times, default=None)

    def _due_at(self) -> int:
        return max(self._due[0][0], self.listening_since + REPLY_MS)

    def reply(self, message: Body) -> None:
        """A reply: the request ends, or is asked again when its error code says so."""
        request_id = int_of(message, "re")
        request = self._flying.get(request_id)
        if request is None:
            return
        if "ok" in message:
            self._end(request, map_of(message, "ok"))
        else:
            error = map_of(message, "err")
            code, retry_ms = text_of(error, "code"), int_or_none(error, "retry_ms")
            self._refused(request, request_id, code, text_or_none(error, "message") or "", retry_ms)

    def too_large(self, request_id: int, size: int) -> None:
        """The message of this request is larger than the server takes; it did not leave."""
        if request := self._flying.get(request_id):
            self._end(request, Refused("too_large", f"{size} bytes"))

    def give_up_flying(self) -> None:
        """The server closed because of a message that must not be sent again, and any that flew may be the one."""
        for request in list(self._flying.values()):
            if not request.ended and not request.waiting:
                self._end(request, OutcomeUnknown(request.op, request.fields.get("cid")))

    def _fly(self, request: Request) -> None:
        self._last_id = self._last_id % _LARGEST_ID + 1
        request.waiting = False
        request.ids.append(self._last_id)
        self._flying[self._last_id] = request
        self._due.append((self.now + REPLY_MS, self._last_id))
        self._write({"op": request.op, "id": self._last_id, **request.fields})

    def _end(self, request: Request, result: Result) -> None:
        self.withdraw(request)
        request.then(result)

    def _refused(self, request: Request, request_id: int, code: str, message: str, retry_ms: int | None) -> None:
        if code in FINAL:
            self._end(request, Refused(code, message))
        elif request.waiting or request.ids[-1] != request_id:
            return
        elif code == "unauthenticated":
            self._stale(request, message)
        elif code != "out_of_order" or request.out_of_order is None or not request.out_of_order():
            self._transient(request, code, retry_ms)

    def _stale(self, request: Request, message: str) -> None:
        request.stale_tokens += 1
        if request.stale_tokens > 1:
            self._end(request, Refused("unauthenticated", message))
        else:
            self.stale_token = True

    def _transient(self, request: Request, code: str, retry_ms: int | None) -> None:
        # A code that is not in the contract says nothing about the outcome: as careful as with `internal`.
        request.internal += code not in AGAIN
        if request.internal >= INTERNAL_TRIES:
            self._end(request, OutcomeUnknown(request.op, request.fields.get("cid")))
            return
        delay = full_jitter(request.tries, self._random) if retry_ms is None else max(0, retry_ms)
        request.tries += 1
        if code == "rate_limited":
            self._pace.hold(self.now + delay)
        self._unfly(request)
        self._again(request, delay)

    def _unfly(self, request: Request) -> None:
        for request_id in request.ids:
            self._flying.pop(request_id, None)
        request.ids.clear()

    def _again(self, request: Request, after_ms: int) -> None:
        request.waiting = True
        heapq.heappush(self._later, (self.now + after_ms, request.order, request))
