"""The accounting of direct messages: every one acked once, stored at one `c`, and delivered once to each side."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from secrets import token_hex
from typing import Self

from bench.client import Client
from bench.crowd import Crowd
from bench.faults import Faults
from bench.wire import Frame, User, decode_sent, request_frame

TEXT = "x" * 100
RUN_DIGITS = 24
"""Hexadecimal digits of a cid that are random, 96 bits; the eight behind them are the message's number."""

ACKED, HOME, AWAY, REFUSED = 1, 2, 4, 8
ALL = ACKED | HOME | AWAY
OVERLOAD = frozenset(("unavailable", "rate_limited", "unknown_outcome"))


class Sender(Client):
    """A client with one message in flight at most; the others wait in the order of their arrival."""

    __slots__ = ("conversation", "in_flight", "partner", "request_id", "traffic", "waiting")

    def __init__(self, crowd: Crowd, user: User, device: str) -> None:
        super().__init__(crowd, user, device)
        self.conversation = ""
        self.partner: Sender | None = None
        self.traffic: Traffic | None = None
        self.waiting: deque[int] = deque()
        self.in_flight = -1
        self.request_id = 0

    def meet(self, other: Self, conversation: str) -> None:
        """Both talk to each other from now on."""
        self.partner, other.partner = other, self
        self.conversation = other.conversation = conversation

    def join(self, traffic: Traffic) -> None:
        """Both count for `traffic` from now on."""
        assert self.partner is not None
        self.traffic = self.partner.traffic = traffic

    def replied(self, frame: Frame) -> None:
        if self.traffic is None or frame.re != self.request_id or self.in_flight < 0:
            super().replied(frame)
        else:
            self.traffic.replied(self, frame)

    def happened(self, frame: Frame) -> None:
        if frame.ev == "message" and self.traffic is not None:
            self.traffic.delivered(self, frame)


class Traffic:
    """One schedule of messages. `acks` and `deliveries` (to the other side) are seconds from the intended send.

    `acked` are the numbers of the messages in the order of `acks`, `senders` theirs who send them, by number.
    Frames are made before the start. Overload answers are counted in `refused`; they void the run as well, unless the
    rate is what is being searched.
    """

    def __init__(self, faults: Faults, senders: Sequence[Sender], *, overload_is_a_fault: bool = True) -> None:
        self.acks, self.deliveries = array("d"), array("d")
        self.acked = array("l")
        self.refused: Counter[str] = Counter()
        self.senders = senders
        self._faults = faults
        self._overload_is_a_fault = overload_is_a_fault
        self._run = token_hex(RUN_DIGITS // 2)
        self._frames: list[bytes] = []
        self._ids = array("q")
        self._due = array("d", bytes(8 * len(senders)))
        self._c = array("q", bytes(8 * len(senders)))
        self._seen = bytearray(len(senders))
        self._open = len(senders)
        self._done = asyncio.Event()
        for number, sender in enumerate(senders):
            sender.join(self)
            self._ids.append(sender.take_id())
            self._frames.append(self._frame(number, sender))
        if not senders:
            self._done.set()

    def arrive(self, number: int, due: float) -> None:
        """A message is due: send it, or let it wait for the one before it."""
        self._due[number] = due
        sender = self.senders[number]
        sender.waiting.append(number)
        if sender.in_flight < 0:
            self._send_next(sender)

    def times(self) -> Iterator[tuple[float, float]]:
        """Of each message that was acked, the monotonic second for which it was intended, and that of its ack."""
        for number, took in zip(self.acked, self.acks, strict=True):
            yield self._due[number], self._due[number] + took

    def replied(self, sender: Sender, frame: Frame) -> None:
        """The reply to the message in flight of `sender`."""
        number, sender.in_flight = sender.in_flight, -1
        if frame.err is not None:
            self.refused[frame.err.code] += 1
            if self._overload_is_a_fault or frame.err.code not in OVERLOAD:
                self._faults.add(f"message refused: {frame.err.code}", frame.err.message)
            self._see(number, ALL | REFUSED)
        else:
            sent = decode_sent(frame.ok)
            if sent.dup:
                self._faults.add("dup for a first send", f"c {sent.c}")
            self._agree(number, sent.c)
            self.acks.append(sender.read_at - self._due[number])
            self.acked.append(number)
            self._see(number, ACKED)
        self._send_next(sender)

    def delivered(self, client: Sender, frame: Frame) -> None:
        """A `message` event on either side."""
        if frame.cid[:RUN_DIGITS] != self._run:
            self._faults.add("unknown message delivered", frame.cid)
            return
        number = int(frame.cid[RUN_DIGITS:], 16)
        sender = self.senders[number]
        side = HOME if client is sender else AWAY
        if side == AWAY and client is not sender.partner:
            self._faults.add("delivered to a stranger", frame.cid)
        elif self._seen[number] & REFUSED:
            return
        elif self._seen[number] & side:
            self._faults.add("delivered twice", f"{frame.cid} at c {frame.c}")
        else:
            self._agree(number, frame.c)
            if side == AWAY:
                self.deliveries.append(client.read_at - self._due[number])
            self._see(number, side)

    async def drained(self, within: float) -> None:
        """Wait until every message was acked and seen by both; what is missing after `within` seconds is lost."""
        try:
            async with asyncio.timeout(within):
                await self._done.wait()
        except TimeoutError:
            for side, what in ((ACKED, "not acked"), (HOME, "not delivered to the sender"), (AWAY, "not delivered")):
                lost = sum(not seen & side for seen in self._seen)
                if lost:
                    self._faults.add(f"lost: {what}", f"within {within:.0f} s", lost)

    def _frame(self, number: int, sender: Sender) -> bytes:
        cid = f"{self._run}{number:08x}"
        return request_frame("message.send", id=self._ids[number], conversation=sender.conversation, cid=cid, text=TEXT)

    def _send_next(self, sender: Sender) -> None:
        if sender.waiting:
            number = sender.in_flight = sender.waiting.popleft()
            sender.request_id = self._ids[number]
            sender.send(self._frames[number])

    def _agree(self, number: int, c: int) -> None:
        if self._c[number] and self._c[number] != c:
            self._faults.add("two places for one message", f"c {self._c[number]} and {c}")
        self._c[number] = c

    def _see(self, number: int, side: int) -> None:
        before = self._seen[number]
        self._seen[number] |= side
        if before & ALL != ALL and self._seen[number] & ALL == ALL:
            self._open -= 1
            if not self._open:
                self._done.set()
