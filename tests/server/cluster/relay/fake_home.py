"""A home that does whatever a test wants, and a node in this process that relays everybody to it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgpack

from bench.subject import free_port
from persistence.nodes.contract import Life
from protocol.ids import LoginId, UserId
from server.connection import Connection
from server.listeners import listen
from server.tokens import Caller
from tests.security.raw import WITHIN_S
from tests.server.bare_gateway import bare_gateway
from tests.until import until

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
USER = UserId("7")
LOGIN = 9
SMALL = 16 * 1024
"""Bytes of the kernel's buffers, so that little is on its way."""


class Visit:
    """A relay's socket, as its home sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = reader

    async def head(self) -> bytes:
        """The opening handshake."""
        async with asyncio.timeout(WITHIN_S):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def accept(self) -> None:
        await self.head()
        self.say(ACCEPTED)

    def say(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which is whole and, as a client's must be, masked."""
        async with asyncio.timeout(WITHIN_S):
            first, size = await self._reader.readexactly(2)
            assert first & 0xF0 == 0x80
            assert size & 0x80
            size &= 0x7F
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            assert await self._reader.readexactly(4) == bytes(4)
            return first & 0xF, await self._reader.readexactly(size)

    async def message(self) -> Any:
        return msgpack.unpackb((await self.frame())[1])

    async def gone(self) -> bytes:
        """What still comes before the relay has ended."""
        async with asyncio.timeout(WITHIN_S):
            return await self._reader.read()


class FakeHome:
    """Listens at `address`; `visit` is the next relay's socket."""

    def __init__(self) -> None:
        self.address = ""
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()

    async def visit(self) -> Visit:
        async with asyncio.timeout(WITHIN_S):
            return await self._visits.get()

    @asynccontextmanager
    async def listening(self, host: str = "127.0.0.1") -> AsyncIterator["FakeHome"]:
        plug = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        visits: list[Visit] = []

        def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            visits.append(Visit(reader, writer))
            self._visits.put_nowait(visits[-1])

        # A small limit: what a test does not read stays with the relay.
        server = await asyncio.start_server(came, sock=plug, limit=SMALL)
        self.address = f"{f'[{host}]' if ':' in host else host}:{plug.getsockname()[1]}"
        yield self
        server.close()
        for visit in visits:
            visit.writer.transport.abort()
        for visit in visits:
            with suppress(ConnectionError):
                await visit.writer.wait_closed()


class RelayingNode:
    """Everybody's home is at `address`. `only` is the one connection that there is."""

    def __init__(self, address: str) -> None:
        self.home = Life("life", "there", "ws://there/v1/socket", address, "")
        self.gateway = bare_gateway(lambda _: Caller(USER, LoginId(str(LOGIN))))
        self.metrics = self.gateway.metrics
        nobody: Any = Deaf()
        self.gateway.join(nobody, nobody, lambda _: self.home, nobody)
        self.port = free_port()

    @property
    def only(self) -> Connection:
        [connection] = self.gateway
        return connection

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RelayingNode"]:
        async with listen(lambda: Connection(self.gateway), "127.0.0.1", self.port, "node.listen"):
            yield self
            for connection in list(self.gateway):
                connection.abort()
            await until(lambda: not any(self.gateway) and not self.gateway.relays._tasks)


class Deaf:
    """No actor is ever told anything: all sessions live elsewhere."""

    def tell(self, *args: Any, **more: Any) -> None:
        raise AssertionError((args, more))
