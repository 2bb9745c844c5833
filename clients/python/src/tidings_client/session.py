"""The client's side of the contract as a state machine without I/O, clock or chance (wire contract §3, §4, §8).

    Connect ──► opened ──► hello ──► Welcomed ──► requests, events, acks
       ▲                                                  │
       └───────────── jitter, retry_ms ◄── lost ◄── Close ┘          Stop: goodbye, or a close code 43xx

Whoever drives it reports what happens, with the time, and carries out the effects that come back, in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from .backlog import Backlog
from .closing import DETACH, GOODBYE, NOT_TO_BE_RESENT
from .effects import Answer, Close, Connect, Effect, Stop, Write
from .errors import Closed, Malformed, ProtocolFault, Stopped, TidingsError
from .greeting import HELLO_ID, Greeting, Welcome
from .heartbeat import Heartbeat
from .inbox import Inbox
from .live import Live
from .questions import Questions
from .reading import Body
from .reconnect import Reconnect
from .requests import Requests
from .sends import SendQueues
from .settings import Settings
from .store import Stored, Unsent
from .watching import Watching


class Phase(Enum):
    """Where a session is: between connections, waiting for hello's reply, in use, or on its way out."""

    AWAY = auto()
    GREETING = auto()
    LIVE = auto()
    CLOSING = auto()
    LEAVING = auto()
    STOPPED = auto()


class Session:
    """One device's session. Every input takes `now` in milliseconds of any monotonic clock and returns effects.

    Never raises for what the server does. `random` gives [0, 1) and is drawn for delays only.
    """

    def __init__(self, settings: Settings, stored: Stored, random: Callable[[], float]) -> None:
        self.phase = Phase.AWAY
        self._out: list[Effect] = []
        requests = self._requests = Requests(lambda message: self._emit(Write(message)), random)
        inbox = self._inbox = Inbox(stored, requests, self._emit, self._stop)
        self._progress = inbox.progress
        self._sends = SendQueues(requests, settings.pipeline, self._emit, inbox.hand_on)
        self._questions = Questions(requests, self._sends, settings.waiting, self._emit, inbox.adopt)
        self._backlog = Backlog(self._progress, self._questions, settings.queue)
        self._watching = Watching(requests, inbox, self._backlog, self._emit)
        self._heartbeat = Heartbeat(self._progress, self._emit, background=settings.background)
        self._reconnect = Reconnect(random, follow=settings.follow)
        self._greeting = Greeting(
            settings.device, inbox, self._heartbeat, self._reconnect, requests, self._emit, self._close, self._stop
        )
        self._live = Live(requests, inbox, self._heartbeat, self._reconnect, self._backlog, self._watching, self._emit)
        self._welcome: Welcome | None = None
        self._end: Stopped = Closed("the client was closed")
        for unsent in stored.unsent.values():
            self._sends.restore(unsent)

    @property
    def position(self) -> tuple[str | None, int]:
        """(epoch, u) of the last event received."""
        return self._progress.epoch, self._progress.u

    @property
    def heads(self) -> dict[str, int]:
        """Per conversation the place of the last event handed on."""
        return self._inbox.logs.heads()

    @property
    def paused(self) -> bool:
        """The connection is to be left unread for now: the application is behind. May change with every input."""
        return self.phase is Phase.LIVE and self._backlog.full

    @property
    def wake_at(self) -> int | None:
        """When `tick` has something to do, or None."""
        times = [self._heartbeat.ack_at]
        if self.phase is Phase.GREETING:
            times.append(self._greeting.due)
        elif self.phase is Phase.LIVE:
            times += [self._heartbeat.silent_at, self._requests.next_at(), self._backlog.skip_at]
        return min((at for at in times if at is not None), default=None)

    def start(self, now: int) -> list[Effect]:
        """The first input: asks for a connection."""
        self._requests.now = now
        self._emit(Connect(0))
        return self._drain()

    def opened(self, token: str, now: int) -> list[Effect]:
        """The connection asked for is open, and this is the access token to greet with."""
        self._requests.now = now
        self.phase = Phase.GREETING
        self._greeting.hello(token)
        return self._drain()

    def give_up(self, error: Stopped) -> list[Effect]:
        """The driver cannot go on: there is no token to be had, or it fails itself."""
        self._stop(error)
        return self._drain()

    def received(self, message: Body, now: int) -> list[Effect]:
        """One message of the server, decoded."""
        self._requests.now = now
        self._backlog.moved(now)
        try:
            if self._welcome is not None:
                self._live.received(self._welcome, message)
                if self._requests.stale_token:
                    self._close()
            elif self.phase is Phase.GREETING and message.get("re") == HELLO_ID:
                self._welcome = self._greeting.answered(message)
                if self._welcome is not None:
                    self.phase = Phase.LIVE
                    self._watching.again()
        except Malformed:
            self._fault()
        self._heartbeat.check(now)
        return self._drain()

    def garbled(self, now: int) -> list[Effect]:
        """What the server sent could not be decoded."""
        self._requests.now = now
        self._fault()
        return self._drain()

    def lost(self, code: int | None, reason: str, now: int) -> list[Effect]:
        """The connection ended with this close code of the server's (None: cut), or could not be had at all."""
        if self.phase is Phase.STOPPED:
            return []
        self._requests.now = now
        greeting = self.phase is Phase.GREETING
        self._welcome, self._backlog.skipping = None, False
        if code in NOT_TO_BE_RESENT:
            self._requests.give_up_flying()
        self._reconnect.stale_token |= self._requests.stale_token
        self._requests.lost()
        self._heartbeat.lost()
        if self.phase is Phase.LEAVING:
            self._stop(self._end)
        elif greeting and code in NOT_TO_BE_RESENT:
            self._stop(ProtocolFault("the server cannot read this hello", code))
        else:
            self.phase = Phase.AWAY
            self._come_back(code, self._reconnect.after(code, reason, greeting=greeting))
        return self._drain()

    def tick(self, now: int) -> list[Effect]:
        """Time has passed; to be called at `wake_at`, and harmless at any other time."""
        self._requests.now = now
        heartbeat = self._heartbeat
        if heartbeat.ack_at is not None and heartbeat.ack_at <= now:
            heartbeat.acknowledge(live=self._welcome is not None)
        if self.phase is Phase.LIVE:
            self._requests.expire()
            if (skip_at := self._backlog.skip_at) is not None and skip_at <= now:
                self._backlog.skipping = True
                self._inbox.hold()
            if heartbeat.silent_at is not None and heartbeat.silent_at <= now:
                self._close()
        elif self.phase is Phase.GREETING and self._greeting.due <= now:
            self._close()
        return self._drain()

    def unpaused(self, now: int) -> None:
        """The driver had stopped reading and reads again: that no ping and no reply came meanwhile says nothing."""
        self._requests.listening_since = now
        if self._welcome is not None:
            self._heartbeat.heard(now)

    def ask(self, ticket: int, op: str, fields: dict[str, Any], now: int) -> list[Effect]:
        """A request of the user's, answered under this ticket."""
        self._requests.now = now
        if self._may_ask(ticket):
            self._watching.asked(self._questions.ask(ticket, op, fields))
        return self._drain()

    def send(self, ticket: int, unsent: Unsent, now: int) -> list[Effect]:
        """A message to send, remembered until it is decided, and answered under this ticket."""
        self._requests.now = now
        if self._may_ask(ticket):
            self._questions.send(ticket, unsent)
        return self._drain()

    def abandon(self, ticket: int) -> None:
        """Nobody waits for this ticket any more. A send goes on all the same: it may have been carried out."""
        self._questions.abandon(ticket)

    def unheard(self, unsent: Unsent, result: dict[str, Any] | TidingsError, now: int) -> list[Effect]:
        """A send was answered when its caller was just being cancelled: it is told as if nobody had waited."""
        self._requests.now = now
        if not isinstance(result, Stopped):
            self._sends.unheard(unsent, result)
        return self._drain()

    def typing(self, conversation: str, kind: str, now: int) -> list[Effect]:
        """Says that the user types; dropped while there is no connection, and above the server's limit."""
        if self._welcome is not None and self._welcome.typing.may_at(now) <= now:
            self._welcome.typing.spend(now)
            self._emit(Write({"op": "typing", "conversation": conversation, "kind": kind}))
        return self._drain()

    def background(self, ticket: int, on: bool, now: int) -> list[Effect]:
        """The application went to the background, or came back; answered under this ticket, kept over reconnects."""
        self._heartbeat.background = on
        if self._welcome is not None:
            self._heartbeat.heard(now)
        return self.ask(ticket, "background", {"on": on}, now)

    def too_large(self, request_id: int, size: int, now: int) -> list[Effect]:
        """A message that was to be written is larger than the server takes, and was not written."""
        self._requests.now = now
        if request_id == HELLO_ID:
            self._stop(ProtocolFault(f"a hello of {size} bytes"))
        self._requests.too_large(request_id, size)
        return self._drain()

    def taken(self, order: int, now: int) -> list[Effect]:
        """The application is done with all events handed on up to this order: they count as stored."""
        self._requests.now = now
        self._progress.taken(order)
        self._heartbeat.check(now)
        self._backlog.moved(now)
        if self._backlog.ready and self.phase is Phase.LIVE:
            self._live.catching_up = True
            self._reconnect.replayed()
            self._close()
        return self._drain()

    def leave(self, code: int, now: int) -> list[Effect]:
        """The last input but `lost`: goodbye (1000, offline at once) or detach (3000, for a later client to resume)."""
        self._requests.now = now
        self._heartbeat.acknowledge(live=self._welcome is not None)
        self._close(code)
        if self.phase is Phase.CLOSING:
            self.phase = Phase.LEAVING
        else:
            self._stop(self._end)
        return self._drain()

    def _come_back(self, code: int | None, plan: Connect | Stopped) -> None:
        if isinstance(plan, Stopped):
            self._stop(plan)
        else:
            self._live.lost(code, plan)
            self._emit(plan)

    def _may_ask(self, ticket: int) -> bool:
        if self.phase not in (Phase.STOPPED, Phase.LEAVING):
            return True
        self._emit(Answer(ticket, self._end))
        return False

    def _fault(self) -> None:
        self._reconnect.fault()
        self._close()

    def _close(self, code: int = DETACH) -> None:
        self._welcome = None
        if self.phase in (Phase.LIVE, Phase.GREETING):
            self.phase = Phase.CLOSING
            self._emit(Close(code))

    def _stop(self, error: Stopped) -> None:
        """The end. What is undecided stays in the store."""
        if self.phase is Phase.STOPPED:
            return
        self._heartbeat.acknowledge(live=self._welcome is not None)
        self._close(GOODBYE)
        self.phase, self._end = Phase.STOPPED, error
        self._questions.refuse_all(error)
        self._emit(Stop(error))

    def _emit(self, effect: Effect) -> None:
        self._out.append(effect)

    def _drain(self) -> list[Effect]:
        if self._welcome is not None:
            self._requests.flush()
        out, self._out = self._out, []
        return out
