"""The network: connections as two pipes in order, with delays, stalls, cuts; the server end as server/connection.py."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, Protocol

import msgspec

from actors.effects import Asked, user_address
from actors.stream import Numbered
from actors.user_commands import Acked, Attach, Detach, Drained, Filled, SetBackground
from persistence.nodes.contract import Life
from protocol.codec import Encoded
from protocol.errors import NO_ACK, OVERLOADED, PROTOCOL_ERROR, Close, Refusal, moved
from protocol.ids import UserId
from protocol.replies import Result, Welcome
from protocol.requests import Ack, Background, Hello, Type
from protocol.session import Continuity, Synced
from server.host import Host
from server.requests import Requests
from tests.simulation.heartbeat import Heartbeat
from tests.simulation.process import Process

HIGH_WATER = 6
LOW_WATER = 1
GOODBYE = 1000
LOST = Close(1006, "")


class Pace:
    """How long things take on the way; `stormy` turns the occasional long delay on."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.stormy = False

    def delay(self) -> float:
        if self.stormy and self._random.random() < 0.03:
            return self._random.uniform(0.05, 1.5)
        return self._random.uniform(0.0005, 0.02)

    def jitter(self) -> float:
        """As server/gateway.py spreads its pings."""
        return self._random.uniform(0.8, 1.2)


class Pipe:
    """One direction: in order, each batch after a delay. Once it is cut, everything waits; so it does while it is
    `stalled` by the network or `held` by a reader who does not read.
    """

    def __init__(self, pace: Pace, arrived: Callable[[Any], None], moved: Callable[[int], None]) -> None:
        self._pace = pace
        self._arrived = arrived
        self._moved = moved
        self._under_way: deque[Any] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.stalled = self.held = self.severed = False

    def write(self, message: Any) -> None:
        self._under_way.append(message)
        self._moved(len(self._under_way))
        self._go_on()

    def resume(self) -> None:
        self.stalled = False
        self._go_on()

    def hold(self, held: bool) -> None:
        self.held = held
        self._go_on()

    def cut(self, keep: int = 0) -> None:
        """The first `keep` messages still arrive, at once; whatever comes after them never does."""
        if self.severed:
            return
        self.severed = True
        if self._timer:
            self._timer.cancel()
        arriving = [self._under_way.popleft() for _ in range(min(keep, len(self._under_way)))]
        for message in arriving:
            self._arrived(message)

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def _go_on(self) -> None:
        waits = self.stalled or self.held or self.severed
        if self._timer is None and not waits and self._under_way:
            # What is on its way is nobody's: it arrives even if the process that sent it has been stopped.
            self._timer = asyncio.get_running_loop().call_later(self._pace.delay(), self._arrive, context=Context())

    def _arrive(self) -> None:
        self._timer = None
        if self.stalled or self.held:
            return
        arriving = [self._under_way.popleft() for _ in range(min(4, len(self._under_way)))]
        self._moved(len(self._under_way))
        for message in arriving:
            self._arrived(message)
        self._go_on()


class Server(Protocol):
    """The node, as far as a connection needs it."""

    host: Host
    requests: Requests
    process: Process

    def home(self, user: str) -> Life | None: ...

    def relay(self, connection: "Connection", home: Life) -> "Server | None":
        """Have the connection served by the node that is its home, if that can be reached."""

    def left(self, connection: "Connection") -> None: ...


class Client(Protocol):
    """The device, as far as a connection needs it."""

    def received(self, connection: "Connection", message: Any) -> None: ...

    def closed(self, connection: "Connection", close: Close) -> None: ...


class Connection:
    """Both ends of one socket. The server's end goes from attaching to open to gone, as server/connection.py does."""

    def __init__(self, number: int, user: UserId, server: Server, client: Client, pace: Pace) -> None:
        self.number = number
        self.user = user
        self.device = ""
        self.home: Life | None = None
        self.background = self.synced = False
        self.open = False
        # Where it came in; another one serves it when it is relayed.
        self._entrance = self._server = server
        self._client = client
        self._greeted = self._full = self._gone = self._closed = False
        self.up = Pipe(pace, self._readable, lambda waiting: None)
        self.down = Pipe(pace, self._hand_on, self._watch)
        self._pace = pace
        self._heartbeat = Heartbeat(
            lambda ping: self.send(Encoded(ping)), lambda: self.down.under_way, lambda: self.close(NO_ACK)
        )

    def answers(self, *, since: float) -> bool:
        """Whoever asks then is answered: nothing is on its way, and neither server nor relay has stood still."""
        stood_still = max(server.process.stood_still_until for server in (self._entrance, self._server))
        return not self.down.under_way and not self.down.severed and stood_still < since

    # -- the client's end ---------------------------------------------------------------------------------------

    def _hand_on(self, message: Any) -> None:
        if self._closed:
            return
        if isinstance(message, Close):
            self._tell_closed(message)
        else:
            self._client.received(self, message)

    def hang_up(self, status: int, within: float = 0.0) -> None:
        """The client closes: what it has written still arrives, and what is on its way to it so long as it waits."""
        close = Close(status, "")
        self.up.write(close)
        if within:
            asyncio.get_running_loop().call_later(within, self._tell_closed, close)
        else:
            self._tell_closed(close)

    def _tell_closed(self, close: Close) -> None:
        if not self._closed:
            self._closed = True
            self._client.closed(self, close)

    # -- the wire -----------------------------------------------------------------------------------------------

    def cut(self, keep_up: int, keep_down: int, client_after: float, server_after: float) -> None:
        """The socket breaks; each end learns of it in its own time."""
        self.up.cut(keep_up)
        self.down.cut(keep_down)
        loop = asyncio.get_running_loop()
        loop.call_later(client_after, self._tell_closed, LOST)
        loop.call_later(server_after, self._lose, False, context=self._server.process.context)

    # -- the server's end ---------------------------------------------------------------------------------------

    def _readable(self, message: Any) -> None:
        self._server.process.soon(self._take, message)

    def _hello(self, hello: Hello) -> None:
        home = self._server.home(self.user)
        if home is None:
            self._greeted, self.device, self.background = True, hello.device.id, hello.background
            resume = hello.resume or None
            asked = Asked(self.number, hello.id)
            self._tell(Attach(asked, self.device, resume, hello.snapshot, hello.background), activate=True)
        elif hello.follow:
            self.close(moved(home.url))
        elif far := self._server.relay(self, home):
            self._server = far
            self._readable(msgspec.structs.replace(hello, follow=True))
        else:
            self.close(OVERLOADED)

    def _take(self, message: Any) -> None:
        if self._gone:
            return
        match message:
            case Close():
                self._lose(message.status == GOODBYE)
            case Hello() if not self._greeted:
                self._hello(message)
            case Hello():
                self.close(PROTOCOL_ERROR)
            case Ack():
                self._heartbeat.heard = True
                self._tell(Acked(self.number, message.epoch, message.u))
                if message.heads:
                    self._server.requests.stored(self.user, message.heads)
            case Type():
                self._server.requests.typing(self.user, message)
            case Background():
                self.background = message.on
                self._tell(SetBackground(Asked(self.number, message.id), message.on))
            case _:
                self._server.requests.take(self.user, Asked(self.number, message.id), message)

    def reply(self, id: int, result: Result) -> None:
        if isinstance(result, Welcome):
            self.open = True
            self._heartbeat.start(result.ping_ms / 1000 * self._pace.jitter(), result.u)
        self.send((id, result))
        if isinstance(result, Refusal) and not self.open:
            self.close(OVERLOADED)

    def send(self, message: Any) -> None:
        if self._gone:
            return
        match message:
            case Numbered():
                self._heartbeat.u = message.u
            case Encoded(event=Continuity(u=u)):
                self._heartbeat.u = u
            case Encoded(event=Synced()):
                self.synced = True
        self.down.write(message)

    def report(self) -> None:
        if not self._full:
            self._tell(Drained(self.number))

    def close(self, close: Close) -> None:
        if not self._gone:
            self.down.write(close)
            self._lose(False)

    def _watch(self, waiting: int) -> None:
        if self._gone or not self._greeted:
            return
        if not self._full and waiting > HIGH_WATER:
            self._full = True
            self._tell(Filled(self.number))
        elif self._full and waiting <= LOW_WATER:
            self._full, self._heartbeat.heard = False, True
            self._tell(Drained(self.number))

    def _lose(self, goodbye: bool) -> None:
        if self._gone:
            return
        if self._greeted:
            self._tell(Detach(self.number, goodbye))
        self.vanish()
        self._server.left(self)

    def vanish(self) -> None:
        """The server's end is gone with its process."""
        self._gone, self.open = True, False
        self._heartbeat.stop()

    def _tell(self, command: Any, *, activate: bool = False) -> None:
        self._server.host.tell(user_address(self.user), command, activate=activate)
