"""The client's side of RFC 6455, as little of it as a load needs: ready-made frames out, whole frames in."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import cast

ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What a server answers to `KEY` (RFC 6455 §1.3). One key for all sockets: the accept is compared, not computed."""

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = bytes.fromhex("37fa213d")
"""One mask for all frames (the example of RFC 6455 §5.7): the server unmasks as always, the generator masks ahead."""

BINARY, CLOSE, PING, PONG = 0x82, 0x88, 0x89, 0x8A


def masked(payload: bytes, opcode: int = BINARY) -> bytes:
    """One final client frame of at most 64 KiB (RFC 6455 §5.2)."""
    size = len(payload)
    head = bytes((opcode, 0x80 | size)) if size < 126 else bytes((opcode, 0xFE)) + size.to_bytes(2, "big")
    key = (MASK * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + MASK + body


def upgrade(host: str, port: int) -> bytes:
    """The request that opens `GET /v1/socket` with the MessagePack subprotocol."""
    return (
        f"GET /v1/socket HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: tidings.v1.msgpack\r\n\r\n"
    ).encode()


class Socket(asyncio.Protocol):
    """One WebSocket of the generator: opens itself, cuts the bytes into messages, answers protocol pings.

    `port` is where it connects, 0 for wherever the dialler sends it; it may connect again when it has ended.
    Subclasses say what `opened`, `message` and `ended` mean. `due` is the monotonic second when the connect was
    intended; `read_at` that of the last read, taken once per read and so shared by all messages in it. Anything that a
    well-behaved server does not send goes to `ended`.
    """

    __slots__ = ("_rest", "_upgrade", "due", "is_open", "port", "read_at", "transport")

    def __init__(self, request: bytes) -> None:
        self._upgrade = request
        self._rest = b""
        self.is_open = False
        self.read_at = 0.0
        self.due = 0.0
        self.port = 0
        self.transport: asyncio.WriteTransport | None = None

    def opened(self) -> None:
        """The upgrade was answered."""

    def message(self, payload: bytes) -> None:
        """One whole message arrived."""

    def ended(self, reason: str) -> None:
        """The socket is gone; `reason` is the server's close code and text, or what went wrong. Called once."""

    def send(self, frame: bytes) -> None:
        """Write a ready-made frame; a socket that has ended swallows it, since `ended` already told."""
        if self.transport is not None:
            self.transport.write(frame)

    def close(self, code: int) -> None:
        """Begin the closing handshake with `code`; the server ends the connection."""
        self.send(masked(code.to_bytes(2, "big"), CLOSE))

    def end(self, reason: str) -> None:
        """Drop the connection at once because of `reason`."""
        if self.transport is not None:
            transport, self.transport = self.transport, None
            self.ended(reason)
            transport.abort()

    def abandon(self) -> None:
        """Drop the connection at the end of a run: nobody is told."""
        if self.transport is not None:
            transport, self.transport = self.transport, None
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)
        self.is_open, self._rest = False, b""
        self.transport.write(self._upgrade)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end("connection lost" if exc is None else f"connection lost: {exc}")

    def data_received(self, data: bytes) -> None:
        self.received(data, monotonic())

    def received(self, data: bytes, at: float) -> None:
        """These bytes were read at that monotonic second."""
        self.read_at = at
        if self._rest:
            data = self._rest + data
        start = 0 if self.is_open else self._opening(data)
        size = len(data)
        while self.is_open and size - start >= 2:
            length = data[start + 1]
            body = start + 2
            if length > 125:
                body += 2 if length == 126 else 8
                if body > size:
                    break
                length = int.from_bytes(data[start + 2 : body], "big")
            if body + length > size:
                break
            if data[start] == BINARY:
                self.message(data[body : body + length])
            else:
                self._control(data[start], data[body : body + length])
            start = body + length
        self._rest = data[start:]

    def _opening(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        head = data[:end]
        if not head.startswith(b"HTTP/1.1 101") or ACCEPT not in head or b"tidings.v1.msgpack" not in head:
            self.end(f"upgrade refused: {head.splitlines()[0].decode('latin-1')}")
            return len(data)
        self.is_open = True
        self.opened()
        return end + 4

    def _control(self, first: int, payload: bytes) -> None:
        if first == PING:
            self.send(masked(payload, PONG))
        elif first == CLOSE:
            reason = payload[2:].decode("utf-8", "replace")
            self.send(masked(payload[:2], CLOSE))
            self.end(f"closed {int.from_bytes(payload[:2], 'big')} {reason}".rstrip())
        elif first != PONG:
            self.end(f"unexpected frame 0x{first:02x}")
