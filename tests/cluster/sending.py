"""What a device says: repeated with the same `cid` until it is decided, one at a time in each conversation."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from bench.wire import Frame, decode_sent

AGAIN = frozenset(("out_of_order", "rate_limited", "unavailable", "unknown_outcome", "internal"))
REPLY_WITHIN_S = 10.0
INTERNAL_TRIES = 3
MOST_S = 30.0


class Send:
    """One message; `acked_at` is monotonic seconds, 0 until then."""

    __slots__ = ("acked_at", "cid", "conversation", "due", "internal", "tries", "written")

    def __init__(self, conversation: str, cid: str) -> None:
        self.conversation = conversation
        self.cid = cid
        self.due = monotonic()
        self.written = self.acked_at = 0.0
        self.tries = self.internal = 0


class Sends:
    """Of one device. `ask(op, then, **fields)` writes a request, `later(delay, do)` waits on this connection.

    `errors` are what an application would be told; `acked` has the place of each `cid`, `dups` counts answers to a
    retry, `silence` is the longest time between two acknowledgements with something to acknowledge.
    """

    def __init__(
        self,
        ask: Callable[..., None],
        later: Callable[[float, Callable[[], None]], None],
        random: Callable[[], float],
    ) -> None:
        self.acked: dict[str, int] = {}
        self.errors: list[str] = []
        self.dups = self.refused = 0
        self.silence = 0.0
        self._ask = ask
        self._later = later
        self._random = random
        self._acked_at = 0.0
        self._waiting: dict[str, deque[Send]] = {}

    @property
    def waiting(self) -> int:
        """How many are not decided."""
        return sum(map(len, self._waiting.values()))

    def say(self, conversation: str, cid: str) -> Send:
        """It leaves as soon as all before it in this conversation are decided and there is a connection."""
        send, queue = Send(conversation, cid), self._waiting.setdefault(conversation, deque())
        queue.append(send)
        if len(queue) == 1:
            self._write(send)
        return send

    def connected(self) -> None:
        """A new connection was welcomed: all that flew on the last one is unknown and leaves again."""
        for queue in self._waiting.values():
            if queue:
                self._write(queue[0])

    def tick(self, now: float) -> None:
        """No reply for long is unknown too."""
        for queue in self._waiting.values():
            if queue and queue[0].written and now - queue[0].written > REPLY_WITHIN_S:
                self._write(queue[0])

    def _write(self, send: Send) -> None:
        send.written = monotonic()
        fields: dict[str, Any] = {"conversation": send.conversation, "cid": send.cid, "text": send.cid}
        self._ask("message.send", lambda frame: self._answered(send, frame), **fields)

    def _answered(self, send: Send, frame: Frame) -> None:
        queue = self._waiting[send.conversation]
        if not queue or queue[0] is not send:
            return
        if frame.err is None:
            self._ended(send, frame)
        elif frame.err.code not in AGAIN or send.internal + 1 == INTERNAL_TRIES:
            self.errors.append(f"{frame.err.code}: {frame.err.message}")
            self._next(queue)
        else:
            self.refused += 1
            send.internal += frame.err.code == "internal"
            send.written = 0.0
            retry_ms, jitter = frame.err.retry_ms, min(MOST_S, 2**send.tries) * self._random()
            send.tries += 1
            self._later(jitter if retry_ms is None else retry_ms / 1_000, lambda: self._again(send))

    def _again(self, send: Send) -> None:
        queue = self._waiting[send.conversation]
        if queue and queue[0] is send and not send.written:
            self._write(send)

    def _ended(self, send: Send, frame: Frame) -> None:
        sent = decode_sent(frame.ok)
        send.acked_at = monotonic()
        self.silence = max(self.silence, send.acked_at - max(self._acked_at, send.due))
        self._acked_at = send.acked_at
        self.acked[send.cid] = sent.c
        self.dups += sent.dup
        self._next(self._waiting[send.conversation])

    def _next(self, queue: deque[Send]) -> None:
        queue.popleft()
        if queue:
            self._write(queue[0])
