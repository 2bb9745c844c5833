"""One life of an SDK device: the SDK's own session, its effects carried out on the virtual loop as its driver does."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, assert_never

import msgspec

from bench.checker.history import Closed, Entry
from protocol.errors import Close as Closing
from protocol.ids import ConversationId
from protocol.requests import Background, CreateConversation, OpenConversation, SendMessage, Type
from tests.simulation.application import Application
from tests.simulation.network import LOST
from tests.simulation.sdk_wire import Wire
from tidings_client import MemoryStore, Session, Settings, TidingsError, Unsent
from tidings_client.conversations import read_conversation
from tidings_client.effects import Answer, Close, Connect, Effect, HandOn, Keep, Stop, Welcomed, Write
from tidings_client.errors import Stopped
from tidings_client.requests import Result
from tidings_client.session import Phase

LINGER_S = 0.1


class Process:
    """A session with its connections one after another, those who wait for its answers, and the application.

    `connect` gives a connection to the node at a url (None: any), or None.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        store: MemoryStore,
        application: Application,
        connect: Callable[[str | None], Wire | None],
        log: Callable[[Entry], None],
        random: Random,
    ) -> None:
        self.session = Session(settings, store.load(), random.random)
        self.wire: Wire | None = None
        self._name = name
        self._store = store
        self._application = application
        self._connect = connect
        self._log = log
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._tickets = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Result | None]] = {}
        self._opening: set[int] = set()
        self._said: dict[int, tuple[ConversationId, str]] = {}
        self._unread: deque[Any] = deque()
        self._paused = self._listed = self._dead = False
        self._plan: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def _now(self) -> int:
        # A timer set for a millisecond is not to find itself in the one before.
        return int(self._loop.time() * 1_000 + 1e-6)

    # -- its life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._perform(self.session.start(self._now()))

    def die(self) -> None:
        """Killed, without a word; the connection breaks, and who waited for an answer gets None."""
        self._dead = True
        if self._plan:
            self._plan.cancel()
        if self._timer:
            self._timer.cancel()
        for future in self._asked.values():
            future.set_result(None)
        if self.wire:
            wire, self.wire = self.wire, None
            wire.ended()
            wire.connection.cut(self._random.randint(0, wire.connection.up.under_way), 0, 0, 0.05)

    def leave(self, code: int) -> None:
        """The application ends its client."""
        self._perform(self.session.leave(code, self._now()))

    def cut(self, client_after: float, server_after: float) -> None:
        """The network is lost; each end learns of it in its time."""
        if self.wire:
            up = self.wire.connection.up.under_way
            self.wire.connection.cut(self._random.randint(0, up), 0, client_after, server_after)

    # -- what the application wants -----------------------------------------------------------------------------

    def ask(self, request: Any) -> "asyncio.Future[Result | None] | None":
        """The result; None in the future if the process dies before."""
        if self.session.phase in (Phase.STOPPED, Phase.LEAVING):
            return None
        ticket, now = next(self._tickets), self._now()
        self._asked[ticket] = future = self._loop.create_future()
        if isinstance(request, Background):
            self._perform(self.session.background(ticket, request.on, now))
        else:
            fields = _fields(request)
            if isinstance(request, OpenConversation | CreateConversation):
                self._opening.add(ticket)
            self._perform(self.session.ask(ticket, fields.pop("op"), fields, now))
        return future

    def send(self, message: SendMessage) -> Callable[[], None]:
        """In the order of its conversation. What comes back gives up waiting for what becomes of it."""
        content = _fields(message)
        for key in ("op", "conversation", "cid"):
            del content[key]
        ticket = next(self._tickets)
        self._said[ticket] = message.conversation, message.cid
        unsent = Unsent(message.conversation, message.cid, content)
        self._perform(self.session.send(ticket, unsent, self._now()))
        return lambda: self.session.abandon(ticket)

    def type(self, typing: Type) -> None:
        self._perform(self.session.typing(typing.conversation, typing.kind, self._now()))

    def taken(self, order: int) -> None:
        self._perform(self.session.taken(order, self._now()))

    # -- what the network brings --------------------------------------------------------------------------------

    def received(self, message: Any) -> None:
        self._unread.append(message)
        if not self._paused:
            self._read_on()

    def closed(self, close: Closing) -> None:
        """The reader finds it behind what arrived before."""
        self.received(close)

    def _read_on(self) -> None:
        while self._unread and self.wire and not self._pauses():
            message = self._unread.popleft()
            self.wire.unread = len(self._unread)
            if isinstance(message, Closing):
                self._lost(self.wire, message)
            else:
                self._take(self.wire, message)

    def _pauses(self) -> bool:
        """Whether the application is so far behind that the socket is left unread."""
        paused, self._paused = self._paused, self.session.paused
        if self.wire and paused != self._paused:
            self.wire.connection.down.hold(self._paused)
            if paused:
                self.session.unpaused(self._now())
                self._arm()
        return self._paused

    def _take(self, wire: Wire, message: Any) -> None:
        body, self._listed = wire.read(message)
        greeted = self.session.phase is Phase.LIVE
        effects = self.session.received(body, self._now())
        if greeted and any(isinstance(effect, Close) for effect in effects):
            self._loop.call_exception_handler({"message": f"the SDK makes no sense of {message}: {body}"})
        self._perform(effects)
        self._listed = False

    def _lost(self, wire: Wire, close: Closing) -> None:
        self._log(Closed(self._loop.time(), self._name, wire.connection.number, close.status))
        wire.ended()
        self.wire, self._paused = None, False
        self._unread.clear()
        reason = {name: value for name, value in msgspec.to_builtins(close).items() if name != "status"}
        said = msgspec.json.encode(reason).decode() if close.code else ""
        code = None if close is LOST else close.status
        self._perform(self.session.lost(code, said, self._now()))

    # -- effects ------------------------------------------------------------------------------------------------

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case HandOn():
                    self._application.hand_on(effect, self._listed)
                case Write():
                    if self.wire:
                        self.wire.write(effect.message)
                case Answer():
                    self._answered(effect.ticket, effect.result)
                case Keep():
                    self._store.keep(effect.change)
                case Close():
                    if self.wire:
                        self.wire.connection.hang_up(effect.code, self._random.uniform(0.001, LINGER_S))
                case Connect():
                    self._plan = self._loop.call_later(effect.after_ms / 1_000, self._open, effect.url)
                case Welcomed() | Stop():
                    pass
                case never:
                    assert_never(never)
        self._arm()

    def _open(self, url: str | None) -> None:
        self.wire = self._connect(url)
        if self.wire:
            self._perform(self.session.opened("", self._now()))
        else:
            self._perform(self.session.lost(None, "", self._now()))

    def _answered(self, ticket: int, result: Result) -> None:
        if future := self._asked.pop(ticket, None):
            future.set_result(result)
            if ticket in self._opening and isinstance(result, dict):
                self._application.opened(read_conversation(result["conversation"]))
        elif not isinstance(result, Stopped):
            # What a stopped session leaves undecided is in the store.
            c = None if isinstance(result, TidingsError) else result["c"]
            self._application.hears(*self._said.pop(ticket), c)

    def _arm(self) -> None:
        if self._dead:
            return
        if self._paused and not self.session.paused:
            self._loop.call_soon(self._read_on)
        at = self.session.wake_at
        if at is None or self.session.phase is Phase.STOPPED:
            return
        if self._timer is None or self._timer.when() > at / 1_000:
            if self._timer:
                self._timer.cancel()
            self._timer = self._loop.call_at(at / 1_000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._perform(self.session.tick(self._now()))


def _fields(request: Any) -> dict[str, Any]:
    """A request as an application gives it to the SDK, which sets the id itself."""
    fields: Mapping[str, Any] = msgspec.to_builtins(request)
    return {key: value for key, value in fields.items() if key != "id"}
