"""The gateway: the table of connections, and everything that leaves the host: replies, deliveries, closings."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import structlog

from actors.effects import Address, Asked
from actors.stream import Numbered
from actors.user_commands import Policy, Reattach, Report
from config.sections import Gateway as Granted
from persistence.nodes.contract import Life
from protocol.codec import Codec, Encoded
from protocol.errors import DRAINING, OVERLOADED, REVOKED, Close
from protocol.events import MessageSent
from protocol.ids import LoginId, Millis, UserId
from protocol.live import PresenceChanged
from protocol.replies import Limits, Result, Sent
from protocol.session import Continuity, Synced
from protocol.websocket import header
from server.admission import Admission
from server.cluster.relay import Relays
from server.connection import AFTER_HELLO, Connection
from server.host import Host
from server.load import Load
from server.observe import Metrics
from server.requests import Requests
from server.socket import Socket
from server.tokens import Caller, Expired, Invalid
from server.wheel import Wheel

JITTER = 0.2


log = structlog.get_logger()


class Waiter(Protocol):
    """Whoever a reply can go to: a connection, or an HTTP request."""

    def reply(self, id: int, result: Result) -> None: ...


class Gateway:
    """`own_origins` may open sockets besides those that are `granted`; `verify` judges a token; `now` is monotonic
    seconds, `clock` milliseconds since 1970."""

    def __init__(
        self,
        granted: Granted,
        own_origins: frozenset[str],
        verify: Callable[[str], Caller | Expired | Invalid],
        clock: Callable[[], Millis],
        now: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.policy = _policy(granted)
        self.admission = Admission(granted.resumes_per_s, granted.fresh_per_s, now)
        self.origins = own_origins.union(granted.origins)
        self.hello_s = granted.hello_ms / 1000
        self.typing_s = granted.typing_ms / 1000
        self.retry_s = 5
        self.verify = verify
        self.now = now
        self.metrics = metrics
        self.wheel = Wheel(now)
        self.relays = Relays()
        self.load = Load(metrics)
        self._clock = clock
        self._max = granted.max_connections
        self._connections: dict[int, Socket | Waiter] = {}
        self._numbers = 0
        self._sockets = 0
        self._corked: list[Socket] = []
        # The live event written last, in frames: it goes to many users, one after the other.
        self._live: Encoded | None = None
        self._frames: dict[Codec, bytes] = {}
        self._draining = False

    def join(
        self,
        host: Host,
        requests: Requests,
        home: Callable[[UserId], Life | None],
        hand_over: Callable[[asyncio.Transport, bytes], None],
        entered: Callable[[int], None] = lambda connection: None,
    ) -> None:
        """What connections speak to, and where a home is that is not here; called once, before the first of them.

        `hand_over` takes a transport whose first bytes are not for a socket; `entered` hears of each whose hello was
        answered.
        """
        self.entered = entered
        self.host = host
        self.requests = requests
        self.home = home
        self.hand_over = hand_over

    # -- connections --------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Connection]:
        return (connection for connection in self._connections.values() if isinstance(connection, Connection))

    def __len__(self) -> int:
        return self._sockets

    def met(self, connection: Socket) -> None:
        """A transport is open; it has as long to finish the handshake as to say hello."""
        connection.number = self.enter(connection)
        due = self.wheel.after(self.hello_s)
        connection.begin(due)
        self.wheel.add(connection, due)

    def admit(self, connection: Socket) -> bool:
        """Room for one more socket?"""
        if self._sockets + len(self.relays) >= self._max or self._draining:
            return False
        self._sockets += 1
        connection.admitted = True
        return True

    def left(self, connection: Socket) -> None:
        if self._connections.pop(connection.number, None) and connection.admitted:
            self._sockets -= 1

    def find(self, number: int) -> Connection | None:
        """The connection of that number, as long as it is open."""
        connection = self._connections.get(number)
        return connection if type(connection) is Connection and connection.open else None

    def enter(self, waiter: Socket | Waiter) -> int:
        """A number under which replies find their way; `leave` it in the end."""
        self._numbers += 1
        self._connections[self._numbers] = waiter
        return self._numbers

    def cork(self, connection: Socket) -> None:
        """Have what the connection holds back written at the end of this turn of the loop."""
        self._corked.append(connection)
        if len(self._corked) == 1:
            asyncio.get_running_loop().call_soon(self._uncork)

    def _uncork(self) -> None:
        corked, self._corked = self._corked, []
        for connection in corked:
            try:
                connection.uncork()
            except Exception:
                log.exception("write failed", connection=connection.number)
                connection.abort()

    def leave(self, number: int) -> None:
        self._connections.pop(number, None)

    def ping_s(self, background: bool) -> float:
        ms = self.policy.background_ping_ms if background else self.policy.ping_ms
        return ms / 1000 * random.uniform(1 - JITTER, 1 + JITTER)

    def revoke(self, login: LoginId) -> None:
        """Close every socket of a login."""
        for connection in self:
            if connection.login == int(login):
                connection.close(REVOKED)

    def attached(self, user: UserId) -> list[Reattach]:
        """The live connections of a user whose actor was replaced; who was catching up has to begin anew."""
        mine = [connection for connection in self if connection.open and connection.user == user]
        for connection in mine:
            if not connection.synced:
                connection.close(OVERLOADED)
        return [
            Reattach(connection.number, connection.device, connection.background)
            for connection in mine
            if connection.synced
        ]

    async def drain(self, slices: int = 10, over_s: float = 1.0) -> None:
        """Close everybody in slices, each told to come back at a different time."""
        self._draining = True
        connections = list(self)
        size = len(connections) // slices + 1
        for start in range(0, len(connections), size):
            close = Close(DRAINING.status, DRAINING.code, random.randint(100, 2_000))
            for connection in connections[start : start + size]:
                connection.close(close)
            await asyncio.sleep(over_s / slices)

    def abandon(self) -> None:
        """End whoever is still there: the process goes on, and another gateway is to have the room."""
        for connection in list(self._connections.values()):
            if isinstance(connection, Socket):
                connection.abort()

    # -- what leaves the host -----------------------------------------------------------------------------------

    def reply(self, request: Asked, result: Result) -> None:
        if waiter := self._connections.get(request.connection):
            waiter.reply(request.id, result)

    def write(self, audience: tuple[Address, ...], body: Numbered | Encoded) -> None:
        """An event of one user to connections, encoded once per codec."""
        frames = self._frames_of(body)
        connections = self._connections
        numbered = type(body) is Numbered
        event = body.encoded.event if numbered else body.event  # type: ignore[union-attr]
        if type(event) is PresenceChanged:
            self.metrics.presence_told += len(audience)
        begins = type(event) is Synced or type(event) is Continuity
        for _, number in audience:
            connection = connections.get(number)  # type: ignore[arg-type]
            if type(connection) is not Connection:
                continue
            codec = connection.codec
            if (frame := frames.get(codec)) is None:
                message = body.encoded.numbered(codec, body.u) if numbered else body.live(codec)  # type: ignore[union-attr]
                frame = frames[codec] = header(codec.opcode, len(message)) + message
            connection.write(frame)
            if numbered:
                connection.u = body.u  # type: ignore[union-attr]
            elif begins:
                self._begin(connection, event)
        if numbered and type(event) is MessageSent:
            self.metrics.delivery_latency.observe((self._clock() - event.at) / 1000)

    def write_live(self, connections: Iterable[Connection], encoded: Encoded) -> None:
        """The same live event to connections that take it."""
        frames = self._frames_of(encoded)
        for connection in connections:
            codec = connection.codec
            if (frame := frames.get(codec)) is None:
                message = encoded.live(codec)
                frame = frames[codec] = header(codec.opcode, len(message)) + message
            try:
                connection.write_alone(frame)
            except Exception:
                log.exception("write failed", connection=connection.number)
                connection.abort()

    def _frames_of(self, body: Numbered | Encoded) -> dict[Codec, bytes]:
        """By codec, those made so far."""
        if isinstance(body, Numbered):
            return {}
        if body is not self._live:
            self._live, self._frames = body, {}
        return self._frames

    def _begin(self, connection: Connection, event: Any) -> None:
        """The connection was told where it stands now."""
        if type(event) is Synced:
            connection.synced = True
        else:
            connection.epoch, connection.u = event.epoch, event.u

    def tell(self, address: Address, command: Any) -> None:
        connection = self._connections.get(address.key)  # type: ignore[arg-type]
        if type(connection) is not Connection:
            return
        match command:
            case Close():
                connection.close(command)
            case Report():
                connection.report()

    def answered(self, result: Result, since: float) -> None:
        if type(result) is Sent:
            self.metrics.ack_latency.observe(self.now() - since)


def _policy(granted: Granted) -> Policy:
    limits = Limits(AFTER_HELLO, granted.requests_per_s, granted.burst, round(1_000 / max(granted.typing_ms, 1), 3))
    return Policy(
        granted.resume_ms,
        granted.ping_ms,
        granted.background_ping_ms,
        granted.send_budget,
        granted.ring_bytes,
        limits,
    )
