"""The bus: what carries frames and news between nodes. Nothing on it is more than a hint, and nothing waits for it."""

import asyncio
from collections import deque
from typing import Protocol

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError

from persistence.subjects import NEWS, frames_for
from server.nats_connection import CONNECT_S, close, connect

AGAIN_S = 0.2
LISTEN_S, MISSING = 1.0, 3
"""How long a word to oneself may take to come back, and how many in a row may be missing: of one alone that may lie
unread, as this process stood still."""
MOST = 8 * 1024 * 1024
"""Bytes that may wait in the library; what comes on top is dropped, too."""
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
        self._put(frames_for(node), data)

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
                await close(client)

    async def _connect(self) -> tuple[Client, asyncio.Event]:
        """A connection on which NATS is known to have taken the subscriptions, and what is set when it has ended.

        They are known to be by a word to oneself that follows on them: the library's `flush` may overtake them.
        """

        async def begin(client: Client) -> None:
            await client.subscribe(NEWS, cb=self._news)
            await client.subscribe(frames_for(self._me), cb=self._frame)
            self._heard.clear()
            await client.publish(frames_for(self._me))
            async with asyncio.timeout(CONNECT_S):
                await self._heard.wait()

        return await connect(self._url, f"tidings {self._me}", begin)

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
            self._put(frames_for(self._me), b"")
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


async def _end(gone: asyncio.Event) -> None:
    await gone.wait()
    raise ConnectionClosedError
