"""A device as thin as can be, for tests that need a thousand of them: it keeps the client rules of docs/protocol.md §3
and §8 and the log of every conversation, and has no code in common with the SDK."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from bench.frames import Socket
from bench.wire import Closing, Frame, Hello, Refusal, decode, decode_closing, decode_hello, request_frame
from tests.cluster.sending import Sends

if TYPE_CHECKING:
    from tests.cluster.crowd import Crowd

MOVED = 4002
MOST_MOVES = 3
MOST_S = 30.0
HOST = "127.0.0.1"
RECENT_MS = 60_000


class Placed(msgspec.Struct):
    """What counts of an event in a log."""

    c: int
    cid: str


class Page(msgspec.Struct):
    """One conversation of a sync, or a page of a history."""

    events: list[Placed] = []
    id: str = ""
    more: bool = False


class Synced(msgspec.Struct):
    """`ok` of sync."""

    conversations: list[Page]
    cursor: msgspec.Raw | None = None


decode_synced = msgspec.msgpack.Decoder(Synced).decode
decode_page = msgspec.msgpack.Decoder(Page).decode


@dataclass(frozen=True, slots=True)
class Arrival:
    """Once again it has all that there is: `heads` then. Times are monotonic seconds, `asked` that of its hello."""

    asked: float
    at: float
    port: int
    outcome: str
    heads: dict[str, int]


class Line(Socket):
    """One connection of a device."""

    __slots__ = ("_device", "number")

    def __init__(self, device: "Device", port: int) -> None:
        super().__init__(device.crowd.request)
        self._device = device
        self.port = port
        self.number = 0

    def opened(self) -> None:
        self._device.opened(self)

    def message(self, payload: bytes) -> None:
        self._device.received(decode(payload))

    def ended(self, reason: str) -> None:
        self._device.lost(reason)


class Device:
    """One user's only device. What it is not told as the contract has it goes to the crowd's `faults`.

    `logs` has the `cid` of every event by its place, from 1; `ends` counts how its connections ended, `arrivals` are
    the times when it was up to date again.
    """

    def __init__(self, crowd: "Crowd", person: dict[str, Any]) -> None:
        self.crowd = crowd
        self.user: str = person["user"]
        self.logs: dict[str, list[str]] = {}
        self.arrivals: list[Arrival] = []
        self.ends: Counter[str] = Counter()
        self.sends = Sends(self.ask, self._later, crowd.random)
        self.line: Line | None = None
        self._token: str = person["access_token"]
        self._hello: Hello | None = None
        self._epoch, self._u = "", 0
        self._attempts = self._moves = 0
        self._asked_at = 0.0
        self._answers: dict[int, Callable[[Frame], None]] = {}
        self._aside: dict[str, dict[int, str]] = {}
        self._awaited = 0
        self.up_to_date = False
        self._unsaid: dict[str, int] | None = None

    # -- connections --------------------------------------------------------------------------------------------

    async def connect(self, port: int, after_s: float) -> None:
        """One attempt; whatever becomes of it, the next one follows by itself."""
        await asyncio.sleep(after_s)
        line = self.line = Line(self, port)
        self._asked_at = monotonic()
        try:
            await asyncio.get_running_loop().create_connection(lambda: line, HOST, port)
        except OSError as error:
            self.lost(type(error).__name__)

    def opened(self, line: Line) -> None:
        fields: dict[str, Any] = {"token": self._token, "snapshot": False}
        fields["device"] = {"id": f"device-{self.user}", "platform": "test", "app": "tests"}
        if self._epoch:
            fields["resume"] = {"epoch": self._epoch, "u": self._u}
        if self._moves < MOST_MOVES:
            fields["follow"] = True
        line.number = 1
        line.send(request_frame("hello", id=1, **fields))
        self._answers = {1: self._welcomed}

    def lost(self, reason: str) -> None:
        greeting, self.line, self._hello, self._answers = self._hello is None, None, None, {}
        self._aside, self._awaited, self.up_to_date = {}, 0, False
        if self.crowd.over:
            return
        words = reason.split(maxsplit=2)
        code = words[1] if words[0] == "closed" else ""
        ending = decode_closing(words[2]) if code and words[2:] else Closing()
        self.ends[code or reason] += 1
        if code.startswith("43"):
            self.crowd.faults[reason] += 1
            return
        port, at_once = self.crowd.port, False
        if code == str(MOVED):
            self._moves += 1
            port, at_once = urlsplit(ending.url).port or port, greeting
        jitter = 0.0 if at_once else min(MOST_S, 2**self._attempts) * self.crowd.random()
        self._attempts += not at_once
        self.crowd.connect(self, port, jitter if ending.retry_ms is None else ending.retry_ms / 1_000)

    def _welcomed(self, frame: Frame) -> None:
        if frame.err is not None:
            # The server closes now, and says when to come back.
            self.ends[f"hello {frame.err.code}"] += 1
            return
        hello = self._hello = decode_hello(frame.ok)
        self._moves = 0
        if hello.outcome != "resumed":
            self._epoch, self._u = hello.epoch, hello.u
        self._awaited = 1
        if hello.outcome == "resync":
            self._awaited += 1
            self._sync()
        self.sends.connected()

    def _sync(self, **cursor: Any) -> None:
        assert self._hello is not None
        since = max(0, self._hello.now - RECENT_MS)
        self.ask("sync", self._synced, heads=self.heads, since=since, only=True, **cursor)

    def _synced(self, frame: Frame) -> None:
        if frame.err is not None:
            self._refused("sync", frame.err, self._sync)
            return
        synced = decode_synced(frame.ok)
        for one in synced.conversations:
            self._store(one.id, one)
        if synced.cursor is not None:
            self._sync(cursor=synced.cursor)
        else:
            self._came()

    def _store(self, conversation: str, page: Page) -> None:
        """What came without a `u`."""
        for event in page.events:
            self._apply(conversation, event.c, event.cid)
        self._unsaid = (self._unsaid or {}) | {conversation: len(self.logs[conversation])}
        if page.more:
            self._awaited += 1
            self._fetch(conversation)

    def _fetch(self, conversation: str) -> None:
        def fetched(frame: Frame) -> None:
            if frame.err is not None:
                self._refused("history", frame.err, lambda: self._fetch(conversation))
                return
            self._store(conversation, decode_page(frame.ok))
            self._came()

        head = len(self.logs[conversation])
        self.ask("message.history", fetched, conversation=conversation, after=head, limit=100)

    def _refused(self, what: str, refusal: Refusal, ask: Callable[[], None]) -> None:
        self.ends[f"{what} {refusal.code}"] += 1
        self._later(1.0 if refusal.retry_ms is None else refusal.retry_ms / 1_000, ask)

    def _came(self) -> None:
        """One of those that make it up to date."""
        self._awaited -= 1
        if self._awaited or self._hello is None or self.line is None or self.up_to_date:
            return
        self._attempts, self.up_to_date = 0, True
        self.arrivals.append(
            Arrival(self._asked_at, self.line.read_at, self.line.port, self._hello.outcome, self.heads)
        )

    # -- what comes ---------------------------------------------------------------------------------------------

    @property
    def heads(self) -> dict[str, int]:
        return {conversation: len(log) for conversation, log in self.logs.items()}

    def received(self, frame: Frame) -> None:
        if frame.re >= 0:
            if answer := self._answers.pop(frame.re, None):
                answer(frame)
        elif frame.ev == "synced":
            self._same(frame)
            self._came()
        elif frame.ev == "ping":
            self._same(frame)
            self.ack()
        elif frame.ev == "continuity":
            self.crowd.faults["continuity"] += 1
        elif frame.u:
            if frame.u != self._u + 1:
                self.crowd.faults[f"u {frame.u} after {self._u}"] += 1
            self._u = frame.u
            self.crowd.owing.add(self)
            if frame.c:
                self._apply(frame.conversation, frame.c, frame.cid)

    def _same(self, frame: Frame) -> None:
        if frame.u != self._u:
            self.crowd.faults[f"{frame.ev} names u {frame.u}, counted {self._u}"] += 1

    def _apply(self, conversation: str, c: int, cid: str) -> None:
        log = self.logs.setdefault(conversation, [])
        if c <= len(log):
            if log[c - 1] != cid:
                self.crowd.faults["another event at the same place"] += 1
        elif c == len(log) + 1:
            log.append(cid)
            aside = self._aside.get(conversation, {})
            aside.pop(c, None)
            if following := aside.get(c + 1):
                self._apply(conversation, c + 1, following)
        else:
            aside = self._aside.setdefault(conversation, {})
            if not aside:
                self._awaited += 1
                self._fetch(conversation)
            aside[c] = cid

    # -- what it says -------------------------------------------------------------------------------------------

    def ask(self, op: str, then: Callable[[Frame], None], **fields: Any) -> None:
        """Write a request; without a connection nothing happens."""
        if self.line is None or self._hello is None:
            return
        self.line.number += 1
        self._answers[self.line.number] = then
        self.line.send(request_frame(op, id=self.line.number, **fields))

    def ack(self) -> None:
        """Tell what is stored."""
        if self._hello is None or self.line is None:
            return
        heads, self._unsaid = self._unsaid, None
        self.line.send(request_frame("ack", epoch=self._epoch, u=self._u, **({"heads": heads} if heads else {})))

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        """On this connection; a later one begins anew."""
        line = self.line
        asyncio.get_running_loop().call_later(delay_s, lambda: do() if self.line is line else None)
