"""The bus: what carries frames and news between nodes. Nothing on it is more than a hint, and nothing waits for it."""

import asyncio
from collections import deque
from typing import Protocol

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError

NEWS = "tidings.news"
CONNECT_S = 2
AGAIN_S = 0.2
LISTEN_S, MISSING = 1.0, 3
"""How long a word to oneself may take to come back, and how many in a row may be missing: of one alone that may lie
unread, as this process stood still."""
MOST = 8 * 1024 * 1024
"""Bytes that may wait in the library; what comes on top is dropped, too."""
WITHIN_S = 5.0
"""How long it may take in all to be on the bus."""
LEAVE_S = 1.0
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
        self._url = url
        self._me = me
        self._ears = ears
        self._outgoing: deque[tuple[str, bytes]] = deque()
        self._work = asyncio.Event()
        self._heard = asyncio.Event()

    def publish(self, node: str, data: bytes) -> None:
        self._put(subject_of(node), data)

    def announce(self) -> None:
        self._put(NEWS, b"")

    def _put(self, subject: str, data: bytes) -> None:
        if self.connected and len(self._outgoing) < WAITING:
            self._outgoing.append((subject, data))
            self._work.set()

    async def run(self) -> None:
        """Connect, as often as it takes, and serve until cancelled: whatever becomes of NATS, the node lives."""
        while self._url:
            try:
                client, gone = await self._connect()
            except Exception as fault:
                log.warning("the bus cannot be reached", fault=repr(fault))
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                await self._serve(client, gone)
            except Exception as fault:
                log.warning("the bus is lost", fault=repr(fault))
                self._ears.bus_lost()
            finally:
                await _closed(client)

    async def _connect(self) -> tuple[Client, asyncio.Event]:
        """In a task of its own: the library waits by `asyncio.wait_for`, in which Python 3.11 may lose a cancellation,
        and with it the end of this node. Raises TimeoutError after `WITHIN_S`."""
        connecting = asyncio.get_running_loop().create_task(self._subscribed())
        try:
            await asyncio.wait((connecting,), timeout=WITHIN_S)
            if connecting.done():
                return connecting.result()
            raise TimeoutError
        finally:
            if not connecting.done():
                connecting.cancel()
                await asyncio.wait((connecting,), timeout=LEAVE_S)

    async def _subscribed(self) -> tuple[Client, asyncio.Event]:
        """A connection on which NATS is known to have taken the subscriptions, and what is set when it has ended.

        They are known to be by a word to oneself that follows on them: the library's `flush` may overtake them.
        The library is not to connect anew by itself: it stays with a NATS that stands still for as long as it has
        something to write to it, and ends for good at most errors that NATS names. It is not to wait for room, either
        (`pending_size`): that cannot be cancelled.
        """
        gone = asyncio.Event()

        async def ended() -> None:
            gone.set()

        client = await nats.connect(
            self._url,
            name=f"tidings {self._me}",
            connect_timeout=CONNECT_S,
            allow_reconnect=False,
            pending_size=-1,
            closed_cb=ended,
            error_cb=_fault,
        )
        try:
            await client.subscribe(NEWS, cb=self._news)
            await client.subscribe(subject_of(self._me), cb=self._frame)
            self._heard.clear()
            await client.publish(subject_of(self._me))
            async with asyncio.timeout(CONNECT_S):
                await self._heard.wait()
        except BaseException:
            await _closed(client)
            raise
        return client, gone

    async def _serve(self, client: Client, gone: asyncio.Event) -> None:
        """Until there is no bus any more, which is raised."""
        self.connected = True
        log.info("on the bus")
        self._ears.hasten()
        # No TaskGroup: of a fault and a cancellation that come together it would raise the fault alone.
        tasks = [asyncio.ensure_future(work) for work in (self._write(client), self._listen(), _end(gone))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connected = False
            self._outgoing.clear()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _write(self, client: Client) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._outgoing:
                subject, data = self._outgoing.popleft()
                if client.pending_data_size < MOST:
                    await client.publish(subject, data)

    async def _listen(self) -> None:
        """Say something to this node itself every second. Raises TimeoutError when nothing comes back."""
        missing = 0
        while missing < MISSING:
            self._heard.clear()
            self._put(subject_of(self._me), b"")
            await asyncio.sleep(LISTEN_S)
            missing = 0 if self._heard.is_set() else missing + 1
        raise TimeoutError("nothing comes back")

    async def _frame(self, message: Msg) -> None:
        if message.data:
            self._ears.received(message.data)
        else:
            self._heard.set()

    async def _news(self, message: Msg) -> None:
        self._ears.hasten()


def subject_of(node: str) -> str:
    return f"tidings.node.{node}"


async def _fault(fault: Exception) -> None:
    log.warning("the bus failed", fault=repr(fault))


async def _end(gone: asyncio.Event) -> None:
    await gone.wait()
    raise ConnectionClosedError


async def _closed(client: Client) -> None:
    """Kindly, if that is possible, and for certain: where the library cannot write it does not close, and where the
    connection breaks while it closes by itself it leaves its tasks, and what they raise, to nobody."""
    closing = asyncio.get_running_loop().create_task(client.close())
    try:
        await asyncio.wait((closing,), timeout=LEAVE_S)
    finally:
        listening = [subscription._wait_for_msgs_task for subscription in client._subs.values()]
        own = [client._flusher_task, client._reading_task, client._ping_interval_task]
        for task in (closing, *listening, *own):
            if task:
                task.add_done_callback(_ended)
                task.cancel()
        # What is closed already minds nothing.
        client._transport._io_writer.transport.abort()  # type: ignore[union-attr]


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (fault := task.exception()):
        log.info("the bus was not left kindly", fault=repr(fault))
