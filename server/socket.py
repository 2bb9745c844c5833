"""One socket, without what is said on it: opening handshake, whole messages in, frames out, and its end.

It has no task, no queue and no timer of its own. Where it stands is a literal table (`server.stage`); its peer may have
said hello, but what that means is for `server.connection`.
"""

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from protocol.codec import JSON, Codec
from protocol.errors import DRAINING, INTERNAL, Close
from protocol.handshake import Elsewhere, Incomplete, Refused, Upgrade, over_budget, parse
from protocol.ids import UserId
from protocol.replies import Result
from protocol.websocket import State, WebSocket, header, whole
from server.stage import NEXT, Stage

if TYPE_CHECKING:
    from server.gateway import Gateway

HIGH_WATER = 32 * 1024
LOW_WATER = 8 * 1024
FRAME_WITHIN_S = 20.0
LINGER_S = 5.0

SLOW_FRAME = Close(1008, "slow_frame")

log = structlog.get_logger()


class Socket(asyncio.Protocol):
    """`number` names it on this node, `user` is who has said hello; `full`: the peer does not read as fast as we write.

    While it is full nothing is read from it: who does not take answers may not ask for more.
    """

    __slots__ = (
        "_began",
        "_corked",
        "_due",
        "_gateway",
        "_head",
        "_socket",
        "_stage",
        "_transport",
        "admitted",
        "codec",
        "full",
        "number",
        "user",
    )

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._stage = Stage.HANDSHAKE
        self._head = b""
        self._transport: Any = None
        self._socket: WebSocket | None = None
        self._began = 0.0
        # The second by which something must have happened.
        self._due = 0
        # What leaves together at the end of this turn of the loop.
        self._corked: bytes | list[bytes] | None = None
        self.admitted = False
        self.codec: Codec = JSON
        self.full = False
        self.number = 0
        self.user: UserId | None = None

    # -- what is said on it -------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _max_message(self) -> int:
        """Bytes that a message of the peer may have."""

    @abstractmethod
    def _message(self, payload: bytes) -> None:
        """The peer has sent a whole message."""

    @abstractmethod
    def reply(self, id: int, result: Result) -> None:
        """The answer to a request of the peer."""

    @abstractmethod
    def _flow(self) -> None:
        """`full` has changed."""

    @abstractmethod
    def _leave(self, *, goodbye: bool) -> None:
        """Nothing more will be heard from the peer, which may have said goodbye; called before the stage changes."""

    # -- transport ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self._gateway.met(self)

    def begin(self, due: int) -> None:
        """The handshake must be done by that second."""
        self._due = due

    def data_received(self, data: bytes) -> None:
        try:
            if self._stage is Stage.HANDSHAKE:
                self._handshake(data)
            elif self._socket is None and (payload := whole(data, self.codec.opcode, self._max_message)) is not None:
                self._message(payload)
            else:
                self._frames(data)
        except Exception:
            log.exception("connection failed", connection=self.number, user=self.user)
            self.close(INTERNAL)

    def pause_writing(self) -> None:
        self.full = True
        self._transport.pause_reading()
        self._flow()

    def resume_writing(self) -> None:
        self.full = False
        self._transport.resume_reading()
        if self._socket:
            self._drain(self._socket)
        self._flow()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, fault: Exception | None) -> None:
        self._corked = None
        self._leave(goodbye=False)
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
                self._refuse_handshake(refused)
            case Upgrade() as upgrade:
                rest, self._head = self._head[upgrade.consumed :], b""
                self.upgrade(upgrade, rest)

    def upgrade(self, upgrade: Upgrade, rest: bytes) -> None:
        """The handshake has succeeded; `rest` are bytes after it."""
        if not self._gateway.admit(self):
            self._refuse_handshake(over_budget(self._gateway.retry_s))
            return
        self.codec = upgrade.codec
        self._move(Stage.HELLO)
        self._due = self._gateway.wheel.after(self._gateway.hello_s)
        self._transport.write(upgrade.response)
        if rest:
            self.data_received(rest)

    def _refuse_handshake(self, refused: Refused) -> None:
        log.info("handshake refused", status=refused.status, code=refused.code, connection=self.number)
        self._head = b""
        self._transport.write(refused.response)
        self._move(Stage.CLOSING)
        self._linger()

    # -- frames -------------------------------------------------------------------------------------------------

    def _frames(self, data: bytes) -> None:
        """What is not one whole message; the state machine for it is there only while it has something to remember."""
        if self._stage is Stage.CLOSING and (self._socket is None or self._socket.state is State.CLOSED):
            return
        socket = self._socket or WebSocket(self.codec.opcode, self._max_message)
        self._socket = socket
        messages = socket.receive(data)
        for _, payload in messages:
            self._message(payload)
            socket.max_message = self._max_message
        self._drain(socket)
        if socket.state is State.CLOSED:
            self._closed(socket)
        elif socket.partial:
            self._watch_frame(fresh=bool(messages))
        else:
            self._began = 0.0
            if socket.quiet and self._socket is socket:
                self._socket = None

    def _watch_frame(self, *, fresh: bool) -> None:
        """A message must be whole within a time: a frame at one byte a second would hold its buffer for ever."""
        now = self._gateway.now()
        if fresh or not self._began:
            self._began = now
        elif now - self._began > FRAME_WITHIN_S:
            self.close(SLOW_FRAME)

    def _drain(self, socket: WebSocket) -> None:
        """Pongs and our close frame, unless the transport is full."""
        if not self.full and (answer := socket.drain()):
            self._put(answer)

    def send(self, message: bytes) -> None:
        """One message of the connection's codec."""
        self._put(header(self.codec.opcode, len(message)) + message)

    def write(self, frame: bytes) -> None:
        """A whole frame, ready made; dropped unless hello was answered and nothing has ended since."""
        if self._stage is not Stage.OPEN:
            return
        if self._corked is None:
            self._corked = frame
            self._gateway.cork(self)
        else:
            self._put(frame)

    def write_alone(self, frame: bytes) -> None:
        """`write` of what nothing is to be joined with in this turn of the loop."""
        if self._corked is None and self._stage is Stage.OPEN:
            self._transport.write(frame)
        else:
            self.write(frame)

    def _put(self, frame: bytes) -> None:
        """A write costs more than all that led to it, so those of one turn of the loop are joined."""
        corked = self._corked
        if corked is None:
            self._corked = frame
            self._gateway.cork(self)
        elif type(corked) is list:
            corked.append(frame)
        else:
            self._corked = [corked, frame]  # type: ignore[list-item]

    def uncork(self) -> None:
        """Hand what was put to the transport."""
        corked, self._corked = self._corked, None
        if corked:
            self._transport.write(b"".join(corked) if type(corked) is list else corked)

    def abort(self) -> None:
        """End the connection without another word."""
        self._transport.abort()

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self, close: Close) -> None:
        """End the connection with a code that says what the client should do; without effect when it is ending."""
        if self._stage in (Stage.HANDSHAKE, Stage.CLOSING, Stage.GONE):
            return
        reason = {name: value for name, value in msgspec.to_builtins(close).items() if name != "status"}
        socket = self._socket = self._socket or WebSocket(self.codec.opcode, self._max_message)
        socket.close(close.status, msgspec.json.encode(reason).decode())
        self._note(close.status, close.code)
        self._put(socket.drain())
        self.uncork()
        self._leave(goodbye=False)
        self._move(Stage.CLOSING)
        self._end_within_linger()

    def _closed(self, socket: WebSocket) -> None:
        """The peer closed, or broke the protocol; our close frame goes out however full the transport is."""
        if farewell := socket.drain():
            self._put(farewell)
        self.uncork()
        closed = socket.received
        if self._stage is not Stage.CLOSING:
            if closed is None and socket.sent is not None:
                self._note(socket.sent.code, "protocol_error")
            self._leave(goodbye=closed is not None and closed.code == 1000)
            self._move(Stage.CLOSING)
        if closed is None:
            self._linger()
        else:
            self._transport.close()
            self._end_within_linger()

    def _linger(self) -> None:
        """Close our half and drop what still comes: bytes left unread would reset the connection, and our answer."""
        self._transport.write_eof()
        self._end_within_linger()

    def _end_within_linger(self) -> None:
        self._due = self._gateway.wheel.after(LINGER_S)
        self._gateway.wheel.add(self, self._due)

    def _note(self, status: int, code: str) -> None:
        closed = self._gateway.metrics.closed
        closed[status] = closed.get(status, 0) + 1
        if status != DRAINING.status:
            user = self.user
            log.info("connection closed", status=status, code=code, connection=self.number, user=user)

    # -- time ---------------------------------------------------------------------------------------------------

    def tick(self, second: int) -> int:
        """Called by the wheel, which looks again in the second that this says, never in 0."""
        if self._stage is Stage.GONE:
            return 0
        if self._due <= second:
            if self._stage in (Stage.HANDSHAKE, Stage.CLOSING):
                self._transport.abort()
                return 0
            self._overdue()
        return self._due

    @abstractmethod
    def _overdue(self) -> None:
        """The time of the stage is up."""

    def _move(self, stage: Stage) -> None:
        assert stage in NEXT[self._stage] or stage is self._stage, (self._stage, stage)
        self._stage = stage
