"""A peer that sends whatever it likes: bytes over a plain stream, frames written and read by hand (RFC 6455 §5.2)."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgpack

WITHIN_S = 10.0
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The handshake key of RFC 6455 §1.3."""


class Answer(NamedTuple):
    """An HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


def head(target: str = "/v1/socket", *lines: str, without: str = "", method: str = "GET") -> bytes:
    """An opening handshake with more header lines, or without some of the usual ones."""
    usual = (
        "Host: chat.example",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {KEY}",
    )
    kept = [line for line in usual if not without or not line.startswith(without)]
    return "\r\n".join((f"{method} {target} HTTP/1.1", *kept, *lines, "", "")).encode()


def frame(
    opcode: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0, masked: bool = True, width: int = 0
) -> bytes:
    """A frame as a client would send it, unless told otherwise; `width` forces an extended length of 2 or 8 bytes."""
    size = len(payload)
    width = width or (0 if size < 126 else 2 if size < 1 << 16 else 8)
    short = {0: size, 2: 126, 8: 127}[width]
    start = bytes((final << 7 | reserved | opcode, masked << 7 | short)) + (size.to_bytes(width) if width else b"")
    if not masked:
        return start + payload
    mask = os.urandom(4)
    pad = (mask * (size // 4 + 1))[:size]
    covered = int.from_bytes(payload) ^ int.from_bytes(pad)
    return start + mask + covered.to_bytes(size)


class Raw:
    """One TCP connection. `binary` says how maps are encoded once there is a socket on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, binary: bool) -> None:
        self.binary = binary
        self._reader = reader
        self._writer = writer

    async def send(self, octets: bytes) -> None:
        async with asyncio.timeout(WITHIN_S):
            self._writer.write(octets)
            await self._writer.drain()

    def write(self, octets: bytes) -> None:
        """Without waiting for anybody to take it."""
        self._writer.write(octets)

    async def say(self, *maps: Any) -> None:
        """Whole messages, all in one piece."""
        await self.send(b"".join(map(self.message, maps)))

    def message(self, value: Any) -> bytes:
        if self.binary:
            return frame(BINARY, value if isinstance(value, bytes) else msgpack.packb(value))
        return frame(TEXT, value if isinstance(value, bytes) else json.dumps(value).encode())

    async def answer(self) -> Answer:
        """The next HTTP response."""
        async with asyncio.timeout(WITHIN_S):
            start, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(start.split()[1]), headers, body)

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame; a server's frames are whole and not masked."""
        async with asyncio.timeout(WITHIN_S):
            first, size = await self._reader.readexactly(2)
            if size > 125:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            payload = await self._reader.readexactly(size)
        assert first & 0xF0 == 0x80
        return first & 0xF, payload

    async def receive(self) -> Any:
        """The next message."""
        opcode, payload = await self.frame()
        assert opcode == (BINARY if self.binary else TEXT), (opcode, payload)
        return msgpack.unpackb(payload) if self.binary else json.loads(payload)

    async def reply(self, id: int) -> Any:
        """The next reply to a request; events and other replies are dropped."""
        while (message := await self.receive()).get("re") != id:
            continue
        return message

    async def ask(self, op: str, id: int, **fields: Any) -> Any:
        await self.say({"op": op, "id": id, **fields})
        return await self.reply(id)

    async def closed(self) -> tuple[int, Any]:
        """Code and reason of the server's close frame, whatever comes before it; then both ends are let go."""
        while (got := await self.frame())[0] != CLOSE:
            continue
        payload = got[1]
        # An answer to the close frame may fall into a frame that is not whole, so the end of the stream is what counts.
        # A server that had not read everything has reset the connection: there is no end left to send.
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        await self.gone()
        return int.from_bytes(payload[:2]), json.loads(payload[2:] or b"{}")

    async def gone(self) -> None:
        """Return when the server has ended the connection, by FIN or by RST."""
        async with asyncio.timeout(WITHIN_S):
            with contextlib.suppress(ConnectionError):
                while await self._reader.read(1 << 16):
                    continue

    async def end(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def plain(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
    """A TCP connection on which nothing has been said."""
    async with _connected(port, False, receive_buffer) as peer:
        yield peer


@asynccontextmanager
async def upgraded(port: int, *, binary: bool = True, receive_buffer: int | None = None) -> AsyncIterator[Raw]:
    """A connection before its hello."""
    async with _connected(port, binary, receive_buffer) as peer:
        name = "msgpack" if binary else "json"
        await peer.send(head("/v1/socket", f"Sec-WebSocket-Protocol: tidings.v1.{name}"))
        assert (await peer.answer()).status == 101
        yield peer


@asynccontextmanager
async def greeted(
    port: int,
    token: str,
    *,
    binary: bool = True,
    receive_buffer: int | None = None,
    device: str = "attacker",
    until: str = "synced",
    **fields: Any,
) -> AsyncIterator[Raw]:
    """A connection after its hello, up to the event `until` if there is one; no snapshot unless `fields` say so."""
    async with upgraded(port, binary=binary, receive_buffer=receive_buffer) as peer:
        await peer.say(hello(token, device=device, **fields))
        assert "ok" in await peer.reply(1)
        while until and (await peer.receive()).get("ev") != until:
            continue
        yield peer


def hello(token: str, *, device: str = "attacker", **fields: Any) -> dict[str, Any]:
    about = {"id": device, "platform": "test", "app": "tests"}
    return {"op": "hello", "id": 1, "token": token, "device": about, "snapshot": False, **fields}


@asynccontextmanager
async def _connected(port: int, binary: bool, receive_buffer: int | None) -> AsyncIterator[Raw]:
    plug = socket.socket()
    plug.setblocking(False)
    if receive_buffer is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", port))
    # A small limit of the stream too: what a test does not read stays with the server.
    reader, writer = await asyncio.open_connection(sock=plug, limit=receive_buffer or 1 << 20)
    peer = Raw(reader, writer, binary)
    try:
        yield peer
    finally:
        await peer.end()
