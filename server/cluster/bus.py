"""The bus: what carries frames and news between nodes. Nothing on it is more than a hint, and nothing waits for it."""

import asyncio
from collections import deque
from typing import Protocol

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

NEWS = "tidings.news"
CONNECT_S = 2
AGAIN_S = 0.2
PING_S = 1
WAITING = 10_000
"""Messages that may wait to be written; what comes on top is dropped, and found in the log by whoever misses it."""

log = structlog.get_logger()


class Ears(Protocol):
    """Whoever listens to the bus."""

    def received(self, data: bytes) -> None:
        """A frame for this node."""

    def hasten(self) -> None:
        """The membership has changed, somebody says."""

    def bus_lost(self) -> None:
        """There is no bus for now."""


class Bus(Protocol):
    """Delivers at most once, each sender's frames in order as long as nothing fails."""

    connected: bool

    def publish(self, node: str, data: bytes) -> None:
        """A frame for the node of this incarnation; dropped while there is no bus."""

    def announce(self) -> None:
        """Tell all nodes that the membership has changed."""


class NatsBus:
    """The bus over NATS core, for the node `me`. With an empty `url` there is none.

    What cannot be written at once is not kept for a later connection: it would be late, and the log has it.
    """

    def __init__(self, url: str, me: str, ears: Ears) -> None:
        self.connected = False
        self._leaving = False
        self._url = url
        self._me = me
        self._ears = ears
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._work = asyncio.Event()

    def publish(self, node: str, data: bytes) -> None:
        self._put(subject_of(node), data)

    def announce(self) -> None:
        self._put(NEWS, b"")

    def _put(self, subject: str, data: bytes) -> None:
        if self.connected and len(self._outgoing) < WAITING:
            self._outgoing.append((subject, data))
            self._work.set()

    async def run(self) -> None:
        """Connect, as often as it takes, and serve until cancelled."""
        while self._url and not self._leaving:
            try:
                client = await self._connect()
            except (OSError, TimeoutError, Error) as fault:
                log.warning("the bus cannot be reached", fault=repr(fault))
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                await self._serve(client)
            finally:
                self.connected = False
                self._leaving = True
                await _closed(client)

    async def _connect(self) -> Client:
        """In a task of its own: the library waits by `asyncio.wait_for`, in which Python 3.11 may lose a cancellation,
        and with it the end of this node."""
        connecting = asyncio.get_running_loop().create_task(self._subscribed())
        try:
            await asyncio.wait((connecting,))
        except asyncio.CancelledError:
            connecting.cancel()
            await asyncio.wait((connecting,), timeout=1)
            raise
        return connecting.result()

    async def _subscribed(self) -> Client:
        """A connection on which NATS is known to have taken the subscriptions."""
        client = await nats.connect(
            self._url,
            name=f"tidings {self._me}",
            connect_timeout=CONNECT_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=AGAIN_S,
            ping_interval=PING_S,
            max_outstanding_pings=3,
            disconnected_cb=self._lost,
            reconnected_cb=self._found,
            error_cb=_fault,
        )
        try:
            await client.subscribe(subject_of(self._me), cb=self._frame)
            await client.subscribe(NEWS, cb=self._news)
            await client.flush(CONNECT_S)
        except BaseException:
            await _closed(client)
            raise
        return client

    async def _serve(self, client: Client) -> None:
        await self._found()
        self._ears.hasten()
        while True:
            await self._work.wait()
            self._work.clear()
            while self._outgoing:
                subject, data = self._outgoing.popleft()
                if self.connected:
                    await client.publish(subject, data)

    async def _frame(self, message: Msg) -> None:
        self._ears.received(message.data)

    async def _news(self, message: Msg) -> None:
        self._ears.hasten()

    async def _lost(self) -> None:
        self.connected = False
        self._outgoing.clear()
        if not self._leaving:
            log.warning("the bus is lost")
            self._ears.bus_lost()

    async def _found(self) -> None:
        self.connected = True
        log.info("on the bus")


def subject_of(node: str) -> str:
    return f"tidings.node.{node}"


async def _fault(fault: Exception) -> None:
    log.warning("the bus failed", fault=repr(fault))


async def _closed(client: Client) -> None:
    try:
        async with asyncio.timeout(1):
            await client.close()
    except (TimeoutError, OSError, Error) as fault:
        log.info("the bus was not left kindly", fault=repr(fault))
