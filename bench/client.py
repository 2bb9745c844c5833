"""One device of one user on one socket, by the client rules of the wire contract (PROTOCOL §3)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from bench.crowd import Crowd
from bench.frames import Socket
from bench.wire import Frame, Hello, Refusal, Stored, User, decode, decode_hello, moved_to, request_frame

REPLY_WITHIN = 10.0
RETRIES = 5
MOST_MOVES = 3
"""In a row: what follows more often runs in a circle."""

NOT_DURABLE = frozenset(("ping", "synced", "continuity", "presence"))


class RefusedError(Exception):
    """A request of the preparation was refused for good (`code` of the contract), or not answered (no code)."""

    def __init__(self, told: str, code: str = "") -> None:
        super().__init__(told)
        self.code = code


class Client(Socket):
    """Says hello, counts `u` and `c`, answers pings, acks what it stored; the smallest client that keeps every rule.

    Every breach by the server (gap, repeat, reordering, close, refusal) goes to the crowd's faults. In a crowd that
    follows, a client that is sent home goes there, and resumes what it had begun.
    """

    __slots__ = (
        "_earlier",
        "_hello",
        "_moves",
        "_moving",
        "_owes",
        "_waiting",
        "crowd",
        "device",
        "heads",
        "hello",
        "leaving",
        "next_id",
        "pinged",
        "u",
        "user",
    )

    def __init__(
        self, crowd: Crowd, user: User, device: str, resume: Stored | None = None, snapshot: bool = False
    ) -> None:
        super().__init__(crowd.request)
        self.crowd = crowd
        self.user = user
        self.device = device
        self._hello = self._greeting(resume, snapshot)
        self._earlier: dict[str, int] | None = None
        self._moves = 0
        self._moving = False
        self._waiting: dict[int, asyncio.Future[Frame]] | None = None
        self._owes = False
        self.heads: dict[str, int] | None = None
        self.hello: Hello | None = None
        self.leaving = False
        self.next_id = 2
        self.pinged = False
        self.u = -1 if resume is None else resume.u

    @property
    def stored(self) -> Stored:
        """What a later connection resumes from."""
        assert self.hello is not None
        return Stored(self.hello.epoch, self.u)

    def _greeting(self, resume: Stored | None, snapshot: bool) -> bytes:
        fields: dict[str, Any] = {"token": self.user.access_token}
        fields["device"] = {"id": self.device, "platform": "load", "app": "bench"}
        if resume is not None:
            fields["resume"] = {"epoch": resume.epoch, "u": resume.u}
        if not snapshot:
            fields["snapshot"] = False
        if self.crowd.follow is not None:
            fields["follow"] = True
        return request_frame("hello", id=1, **fields)

    async def ask(self, op: str, **fields: Any) -> msgspec.Raw:
        """Send a request of the preparation and return its `ok`; what may be sent again is, `RETRIES` times.

        Raises RefusedError with the last answer.
        """
        code = ""
        for _ in range(RETRIES):
            number = self.take_id()
            self.send(request_frame(op, id=number, **fields))
            frame = await self._answer(number)
            if frame.err is None:
                return frame.ok
            code = frame.err.code
            if code not in ("rate_limited", "unavailable", "unknown_outcome", "internal"):
                break
            await asyncio.sleep((frame.err.retry_ms or 1_000) / 1_000)
        raise RefusedError(f"{op}: {code}", code)

    def head(self, conversation: str) -> int:
        """The last `c` stored of a conversation, 0 without any."""
        return (self.heads or {}).get(conversation, 0)

    def take_id(self) -> int:
        """The next request id of this connection."""
        self.next_id += 1
        return self.next_id - 1

    def leave(self) -> None:
        """Close with 3000, "I shall resume"; the end is told to the crowd."""
        self.leaving = True
        self.close(3000)

    def expects(self, outcome: str) -> bool:
        """Whether hello may end so: who names a stream resumes it, where it is."""
        return outcome == ("fresh" if self.u < 0 else "resumed") or (outcome == "resync" and self._moves > 0)

    def refused(self, refusal: Refusal) -> None:
        """hello was answered with an error."""
        self.crowd.faults.add("hello refused", f"{refusal.code} {refusal.message}")

    def ready(self) -> None:
        """hello is answered and `synced` has come."""
        self._moves = 0
        self.crowd.tell()

    def unreachable(self, error: Exception) -> None:
        """The node that this client was sent to does not let it connect."""
        self.crowd.faults.add("connect failed", repr(error))

    def replied(self, frame: Frame) -> None:
        """A reply that nobody waits for with `ask`."""
        self.crowd.faults.add("reply to no request", f"re {frame.re}")

    def happened(self, frame: Frame) -> None:
        """An event, durable or live, after its `u` and `c` were counted."""

    def ack_owed(self) -> None:
        """Ack what was stored, unless a ping's answer did meanwhile."""
        if self._owes:
            self.ack()

    def ack(self) -> None:
        """Tell the last stored `u`."""
        assert self.hello is not None
        self._owes = False
        self.send(request_frame("ack", epoch=self.hello.epoch, u=self.u))

    def opened(self) -> None:
        self.send(self._hello)

    def ended(self, reason: str) -> None:
        if self.leaving:
            self.crowd.tell()
        elif self.crowd.follow is not None and self._moves < MOST_MOVES and (port := moved_to(reason)):
            self._move(port)
        else:
            self.crowd.faults.add("connection ended by the server", reason)
        for future in (self._waiting or {}).values():
            if not future.done():
                future.set_exception(RefusedError(reason))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._moving and self.crowd.follow is not None:
            self._moving = False
            self.crowd.follow(self)

    def message(self, payload: bytes) -> None:
        try:
            frame = decode(payload)
        except msgspec.DecodeError as error:
            self.crowd.faults.add("unreadable message", f"{error}: {payload[:80]!r}")
            return
        if frame.re >= 0:
            self._reply(frame)
        elif frame.u and frame.ev not in NOT_DURABLE:
            self._durable(frame)
            self.happened(frame)
        elif frame.ev == "ping":
            self._pinged(frame.u)
        elif frame.ev == "synced":
            self._same("synced", frame.u)
            self.ready()
        elif frame.ev == "continuity":
            self.crowd.faults.add("continuity", self.user.user)
        else:
            self.happened(frame)

    def _move(self, port: int) -> None:
        self.crowd.moves += 1
        self._moves += 1
        self._moving = True
        self._owes = False
        self.port = port
        if self.hello is not None:
            self._hello = self._greeting(self.stored, snapshot=False)
            self.hello = None

    async def _answer(self, number: int) -> Frame:
        if self._waiting is None:
            self._waiting = {}
        future: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(REPLY_WITHIN):
                return await future
        except TimeoutError:
            raise RefusedError(f"no reply within {REPLY_WITHIN:.0f} s") from None
        finally:
            del self._waiting[number]

    def _reply(self, frame: Frame) -> None:
        if self._waiting and frame.re in self._waiting:
            self._waiting[frame.re].set_result(frame)
        elif frame.re != 1:
            self.replied(frame)
        elif frame.err is not None:
            self.refused(frame.err)
        else:
            self.hello = decode_hello(frame.ok)
            if not self.expects(self.hello.outcome):
                self.crowd.faults.add("unexpected outcome of hello", self.hello.outcome)
            if self.hello.outcome != "resumed":
                self.u = self.hello.u
                self._earlier = dict(self.heads) if self.heads else None

    def _durable(self, frame: Frame) -> None:
        if frame.u != self.u + 1:
            self.crowd.faults.add("stream broken", f"{self.user.user}: u {frame.u} after {self.u}")
        self.u = frame.u
        if frame.c and not self._is_earlier(frame):
            head = self.head(frame.conversation)
            if frame.c != head + 1:
                self.crowd.faults.add("conversation broken", f"{frame.conversation}: c {frame.c} after {head}")
            if self.heads is None:
                self.heads = {}
            self.heads[frame.conversation] = max(head, frame.c)
        if not self._owes:
            self._owes = True
            self.crowd.owe(self)

    def _is_earlier(self, frame: Frame) -> bool:
        """A stream that began anew may bring what the one before it brought (§3, client rules)."""
        return self._earlier is not None and frame.c <= self._earlier.get(frame.conversation, 0)

    def _pinged(self, u: int) -> None:
        self._same("ping", u)
        self.crowd.pings += 1
        self.pinged = True
        self.ack()

    def _same(self, ev: str, u: int) -> None:
        if u != self.u:
            self.crowd.faults.add("stream broken", f"{self.user.user}: {ev} names u {u}, counted {self.u}")
