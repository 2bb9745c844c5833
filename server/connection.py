"""One socket: handshake, frames, hello, requests in, replies and events out. No task, no queue, no timer of its own.

Where a connection stands is a literal table (`_NEXT`); everything that can end it goes through `_close`.
"""

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import msgspec

from actors.effects import Asked, user_address
from actors.user import Acked, Attach, Detach, Drained, Filled, SetBackground
from protocol.codec import JSON, Codec, Encoded, Unreadable
from protocol.errors import (
    AUTHENTICATION_FAILED,
    NO_ACK,
    OVERLOADED,
    PROTOCOL_ERROR,
    RATE,
    TOKEN_EXPIRED,
    Close,
    Refusal,
)
from protocol.events import Ping
from protocol.handshake import Elsewhere, Incomplete, Refused, Upgrade, over_budget, parse
from protocol.ids import UserId
from protocol.replies import ErrReply, OkReply, Result, Welcome
from protocol.requests import Ack, AnyRequest, Asking, Background, Hello, Type
from protocol.websocket import State, WebSocket, header, whole
from server.tokens import Caller, Expired, Invalid

if TYPE_CHECKING:
    from server.gateway import Gateway

BEFORE_HELLO = 4 * 1024
AFTER_HELLO = 64 * 1024
HIGH_WATER = 32 * 1024
LOW_WATER = 8 * 1024
ACK_WITHIN_S = 10.0
FRAME_WITHIN_S = 20.0
LINGER_S = 5.0
FLYING = 128
FAULTS = 10
FAULT_WINDOW_S = 60.0

SLOW_FRAME = Close(1008, "slow_frame")
REPEATED = Refusal("bad_request", "id: a request with this id is still in flight")
TOO_MANY = Refusal("unavailable", "too many requests in flight on this connection", 200)
RATE_LIMITED = Refusal("rate_limited", "too many requests on this connection", 1_000)
BAD_TOKEN = Refusal("unauthenticated", "token: it was not issued here or has been revoked: log in again")
OLD_TOKEN = Refusal("unauthenticated", "token: it has expired: take a fresh one")


class Stage(Enum):
    """Where a connection stands."""

    HANDSHAKE = auto()
    HELLO = auto()
    ATTACHING = auto()
    OPEN = auto()
    CLOSING = auto()
    GONE = auto()


_NEXT = {
    Stage.HANDSHAKE: {Stage.HELLO, Stage.GONE},
    Stage.HELLO: {Stage.ATTACHING, Stage.CLOSING, Stage.GONE},
    Stage.ATTACHING: {Stage.OPEN, Stage.CLOSING, Stage.GONE},
    Stage.OPEN: {Stage.CLOSING, Stage.GONE},
    Stage.CLOSING: {Stage.GONE},
    Stage.GONE: set[Stage](),
}


class Connection(asyncio.Protocol):
    """`number` names it on this node; `u` is the last durable event written to it."""

    __slots__ = (
        "_acked",
        "_began",
        "_due",
        "_faults",
        "_flying",
        "_gateway",
        "_head",
        "_paid_until",
        "_progress",
        "_refused",
        "_socket",
        "_stage",
        "_transport",
        "_typed_at",
        "_waits",
        "admitted",
        "background",
        "caller",
        "codec",
        "device",
        "full",
        "number",
        "u",
    )

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._stage = Stage.HANDSHAKE
        self._head = b""
        self._transport: Any = None
        self._socket: WebSocket | None = None
        self._flying: dict[int, float] | None = None
        self._paid_until = self._began = self._due = self._typed_at = 0.0
        self._faults: tuple[int, float] | None = None
        self._refused = 0
        self._acked = self._progress = self.background = self._waits = False
        self.admitted = False
        self.codec: Codec = JSON
        self.caller: Caller | None = None
        self.device = ""
        self.full = False
        self.number = 0
        self.u = 0

    # -- transport ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self._gateway.met(self)

    def begin(self, due: float) -> None:
        """The handshake must be done by `due`."""
        self._due = due

    @property
    def open(self) -> bool:
        return self._stage is Stage.OPEN

    def data_received(self, data: bytes) -> None:
        if self._stage is Stage.HANDSHAKE:
            self._handshake(data)
        elif self._socket is None and (payload := whole(data, self.codec.opcode, self._max_message)) is not None:
            self._message(payload)
        else:
            self._frames(data)

    def _frames(self, data: bytes) -> None:
        """What is not one whole message; the state machine for it is there only while it has something to remember."""
        socket = self._socket or WebSocket(self.codec.opcode, self._max_message)
        self._socket = socket
        for _, payload in socket.receive(data):
            self._message(payload)
            socket.max_message = self._max_message
        self._drain(socket)
        if socket.state is State.CLOSED:
            self._peer_closed(socket)
        elif socket.partial:
            self._watch_frame()
        else:
            self._began = 0.0
            if socket.quiet and self._socket is socket:
                self._socket = None

    def _drain(self, socket: WebSocket) -> None:
        """Pongs and our close frame, unless the transport is full."""
        if not self.full and (answer := socket.drain()):
            self._transport.write(answer)

    @property
    def _max_message(self) -> int:
        return AFTER_HELLO if self._stage is Stage.OPEN else BEFORE_HELLO

    def pause_writing(self) -> None:
        self.full = True
        self._tell_user(Filled(self.number))

    def resume_writing(self) -> None:
        self.full = False
        self._progress = True
        if self._socket:
            self._drain(self._socket)
        self._tell_user(Drained(self.number))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, fault: Exception | None) -> None:
        closed = self._socket.received if self._socket else None
        self._detach(goodbye=closed is not None and closed.code == 1000)
        self._move(Stage.GONE)
        self._gateway.left(self)

    # -- handshake ----------------------------------------------------------------------------------------------

    def _handshake(self, data: bytes) -> None:
        self._head += data
        match parse(self._head, self._gateway.origins):
            case Incomplete():
                pass
            case Elsewhere():
                head, self._head = self._head, b""
                self._move(Stage.GONE)
                self._gateway.left(self)
                self._gateway.hand_over(self._transport, head)
            case Refused() as refused:
                self._transport.write(refused.response)
                self._transport.close()
            case Upgrade() as upgrade:
                rest, self._head = self._head[upgrade.consumed :], b""
                self.upgrade(upgrade, rest)

    def upgrade(self, upgrade: Upgrade, rest: bytes) -> None:
        """The handshake has succeeded; `rest` are bytes after it."""
        if not self._gateway.admit(self):
            self._transport.write(over_budget(self._gateway.retry_s).response)
            self._transport.close()
            return
        self.codec = upgrade.codec
        self._move(Stage.HELLO)
        self._due = self._gateway.now() + self._gateway.hello_s
        self._transport.write(upgrade.response)
        if rest:
            self.data_received(rest)

    # -- requests -----------------------------------------------------------------------------------------------

    def _message(self, payload: bytes) -> None:
        stage = self._stage
        if stage is Stage.CLOSING or stage is Stage.GONE:
            return
        request = self.codec.read(payload)
        if stage is Stage.OPEN or (stage is Stage.ATTACHING and type(request) is not Hello):
            self._request(request)
        elif isinstance(request, Unreadable) and request.id == 0:
            self._fault(request)
        elif stage is Stage.HELLO and isinstance(request, Hello):
            self._hello(request)
        else:
            self.close(PROTOCOL_ERROR)

    def _request(self, request: AnyRequest | Unreadable) -> None:
        self._gateway.metrics.requests += 1
        if not self._within_rate():
            self._refuse_rate(request)
            return
        match request:
            case Ack():
                self._ack(request)
            case Type():
                self._typing(request)
            case Unreadable():
                self._fault(request)
            case Hello():
                self.close(PROTOCOL_ERROR)
            case _:
                self._begin(request)

    def _begin(self, request: Asking) -> None:
        """A request that is answered: one reply per id, and no more than `FLYING` at a time."""
        flying = self._flying if self._flying is not None else {}
        if request.id in flying:
            self.reply(0, REPEATED, request.id)
        elif len(flying) >= FLYING:
            self.reply(0, TOO_MANY, request.id)
        else:
            flying[request.id] = self._gateway.now()
            self._flying = flying
            asked = Asked(self.number, request.id)
            if isinstance(request, Background):
                self.background = request.on
                self._tell_user(SetBackground(asked, request.on))
            elif self.caller:
                self._gateway.requests.take(self.caller, asked, request)

    def _hello(self, hello: Hello) -> None:
        caller = self._gateway.verify(hello.token)
        match caller:
            case Expired():
                self.reply(hello.id, OLD_TOKEN)
                self.close(TOKEN_EXPIRED)
            case Invalid():
                self.reply(hello.id, BAD_TOKEN)
                self.close(AUTHENTICATION_FAILED)
            case Caller():
                self.caller, self.device, self.background = caller, hello.device.id, hello.background
                self._move(Stage.ATTACHING)
                resume = hello.resume if hello.resume is not msgspec.UNSET else None
                asked = Asked(self.number, hello.id)
                self._tell_user(Attach(asked, hello.device.id, resume, hello.snapshot, hello.background))

    def _ack(self, ack: Ack) -> None:
        self._acked = True
        self._tell_user(Acked(self.number, ack.epoch, ack.u))
        if ack.heads is not msgspec.UNSET and ack.heads and self.caller:
            self._gateway.requests.stored(self.caller.user, ack.heads)

    def _typing(self, typing: Type) -> None:
        now = self._gateway.now()
        if now - self._typed_at < self._gateway.typing_s and typing.kind != "stop":
            return
        self._typed_at = now
        if self.caller:
            self._gateway.requests.typing(self.caller.user, typing)

    def _within_rate(self) -> bool:
        """GCRA: every request pays for its share of a second, at most a burst of them in advance."""
        limits = self._gateway.policy.limits
        now = self._gateway.now()
        paid_until = max(self._paid_until, now) + 1 / limits.requests_per_s
        if paid_until - now > limits.burst / limits.requests_per_s:
            return False
        self._paid_until = paid_until
        self._refused = 0
        return True

    def _refuse_rate(self, request: AnyRequest | Unreadable) -> None:
        """A breach is told; whoever goes on regardless is disconnected."""
        self._refused += 1
        if self._refused > self._gateway.policy.limits.burst:
            self.close(RATE)
        elif not isinstance(request, Ack | Type):
            self.reply(0, RATE_LIMITED, request.id)

    def _fault(self, unreadable: Unreadable) -> None:
        self.reply(0, unreadable.refusal, unreadable.id)
        if unreadable.id:
            return
        now = self._gateway.now()
        faults, since = self._faults or (0, now)
        if now - since > FAULT_WINDOW_S:
            faults, since = 0, now
        self._faults = faults + 1, since
        if faults + 1 >= FAULTS:
            self.close(PROTOCOL_ERROR)

    # -- out ----------------------------------------------------------------------------------------------------

    def reply(self, id: int, result: Result, re: int | None = None) -> None:
        """Answer request `id`; with `re`, answer by that number a request that was never in flight."""
        if self._stage in (Stage.CLOSING, Stage.GONE):
            return
        metrics = self._gateway.metrics
        if self._flying is not None and re is None:
            since = self._flying.pop(id, None)
            if not self._flying:
                self._flying = None
            if since is not None:
                self._gateway.answered(result, since)
        if isinstance(result, Refusal):
            metrics.refused[result.code] = metrics.refused.get(result.code, 0) + 1
            self.send(self.codec.encode(ErrReply(id if re is None else re, result)))
            if self._stage is Stage.ATTACHING and re is None:
                self.close(OVERLOADED)
            return
        if isinstance(result, Welcome):
            self._welcome(result)
        self.send(self.codec.encode(OkReply(id, result)))

    def _welcome(self, welcome: Welcome) -> None:
        self._gateway.metrics.resumes[welcome.outcome] += 1
        self.u = welcome.u
        self._move(Stage.OPEN)
        self._due = self._gateway.now() + self._gateway.ping_s(self.background)

    def send(self, message: bytes) -> None:
        """One message of the connection's codec."""
        self._transport.write(header(self.codec.opcode, len(message)) + message)

    def write(self, frame: bytes) -> None:
        """A whole frame, ready made."""
        if self._stage is Stage.OPEN:
            self._transport.write(frame)

    def report(self) -> None:
        """Say `Drained` as soon as the socket takes more."""
        if not self.full:
            self._tell_user(Drained(self.number))

    def _watch_frame(self) -> None:
        """A message must be whole within a time: a frame at one byte a second would hold its buffer for ever."""
        now = self._gateway.now()
        if not self._began:
            self._began = now
        elif now - self._began > FRAME_WITHIN_S:
            self.close(SLOW_FRAME)

    # -- time ---------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """Called by the wheel: deadlines of the stage, ping, ack."""
        if self._stage is Stage.GONE:
            return 0
        if self._due > now:
            return self._due - now
        match self._stage:
            case Stage.HANDSHAKE | Stage.CLOSING:
                self._transport.abort()
                return 0
            case Stage.HELLO:
                self.close(AUTHENTICATION_FAILED)
            case Stage.ATTACHING:
                self._due = now + ACK_WITHIN_S
            case Stage.OPEN:
                self._heartbeat(now)
        return max(self._due - now, 1.0)

    def _heartbeat(self, now: float) -> None:
        if self._waits:
            self._waits = False
            if not self._acked and not self._progress:
                self.close(NO_ACK)
                return
            self._due = now + self._gateway.ping_s(self.background) - ACK_WITHIN_S
            return
        self._acked = self._progress = False
        self._waits = True
        self.send(Encoded(Ping(self.u)).live(self.codec))
        self._due = now + ACK_WITHIN_S

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self, close: Close) -> None:
        """End the connection with a code that says what the client should do; without effect when it is ending."""
        if self._stage in (Stage.HANDSHAKE, Stage.CLOSING, Stage.GONE):
            return
        closed = self._gateway.metrics.closed
        closed[close.status] = closed.get(close.status, 0) + 1
        reason = {name: value for name, value in msgspec.to_builtins(close).items() if name != "status"}
        socket = self._socket = self._socket or WebSocket(self.codec.opcode, self._max_message)
        socket.close(close.status, msgspec.json.encode(reason).decode())
        self._transport.write(socket.drain())
        self._detach(goodbye=False)
        self._move(Stage.CLOSING)
        self._due = self._gateway.now() + LINGER_S

    def _peer_closed(self, socket: WebSocket) -> None:
        self._detach(goodbye=socket.received is not None and socket.received.code == 1000)
        if self._stage is not Stage.CLOSING and socket.sent is not None and socket.received is None:
            closed = self._gateway.metrics.closed
            closed[socket.sent.code] = closed.get(socket.sent.code, 0) + 1
        self._move(Stage.CLOSING)
        self._transport.close()

    def _detach(self, *, goodbye: bool) -> None:
        if self._stage in (Stage.ATTACHING, Stage.OPEN):
            self._tell_user(Detach(self.number, goodbye))

    def _tell_user(self, command: Any) -> None:
        if self.caller is not None and self._stage in (Stage.ATTACHING, Stage.OPEN):
            user: UserId = self.caller.user
            self._gateway.host.tell(user_address(user), command, activate=type(command) is Attach)

    def _move(self, stage: Stage) -> None:
        assert stage in _NEXT[self._stage] or stage is self._stage, (self._stage, stage)
        self._stage = stage
