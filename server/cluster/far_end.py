"""The far end of a relay: a second socket, to the client's home, and the pace at which either side is read."""

import asyncio
import os
import socket
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from persistence.nodes.contract import Life
from protocol.errors import CONTINUITY_LOST, OVERLOADED
from protocol.handshake import MAX_HEAD
from protocol.websocket import Opcode, close_frame, frame_size, masked
from server.admission import come_back_ms
from server.listeners import UNSENT

if TYPE_CHECKING:
    from server.connection import Connection

GOODBYE: Final = masked(Opcode.CLOSE, close_frame(1000)[2:])
CLOSES: Final = 0x80 | Opcode.CLOSE
MOST: Final = 512 * 1024
"""Bytes of a frame from a home, whose messages have half of that at most."""
UNREAD: Final = 64 * 1024
"""Bytes that the kernel takes for us ahead: megabytes of its own choice would hide from the home that nobody reads."""
GOODBYE_WITHIN_S: Final = 5.0

log = structlog.get_logger()


class FarEnd(asyncio.Protocol):
    """`settled` is set when the home has answered, or will not. What the client says before that waits here.

    Only whole frames are passed on: what this node has to say itself, a pong or a close, must not fall into one.
    """

    def __init__(self, connection: "Connection", home: Life, forget: Callable[[int, None], Any]) -> None:
        self.home = home
        self.settled = asyncio.Event()
        self._connection = connection
        self._forget = forget
        # uvloop's are no `asyncio.Transport` by their class.
        self._transport: Any = None
        # What was said before the home answered; None from then on.
        self._early: list[bytes] | None = []
        # The start of the answer, or of a frame.
        self._held = b""
        # The home does not take what is said.
        self._full = False
        # Nothing is passed on any more.
        self._over = False

    # -- the way there --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._early is None:
            self._transport.abort()
            return
        plug = self._transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        lines = (
            "GET /v1/socket HTTP/1.1",
            f"Host: {self.home.address}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {self._connection.codec.subprotocol}",
        )
        self._transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._early is not None:
            self._read_answer(self._early)
        if self._early is None and not self._over:
            self._pass_on()

    def _read_answer(self, early: list[bytes]) -> None:
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end and len(head) < MAX_HEAD:
            return
        if not end or not head.startswith(b"HTTP/1.1 101 "):
            self.fail(head.partition(b"\r\n")[0].decode("latin-1")[:100])
            return
        self._early, self._held = None, rest
        self.settled.set()
        for frame in early:
            self._write(frame)
        if self._over:
            self._end_softly()
        else:
            self.balance()

    # -- what the client says -------------------------------------------------------------------------------------

    def send(self, payload: bytes) -> None:
        """One message."""
        self._say(masked(self._connection.codec.opcode, payload))
        if self._early is not None:
            self.balance()

    def _say(self, frame: bytes) -> None:
        if self._early is None:
            self._write(frame)
        else:
            self._early.append(frame)

    def _write(self, frame: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame)

    # -- what the home says ---------------------------------------------------------------------------------------

    def _pass_on(self) -> None:
        held, end, closes = self._held, 0, False
        while not closes and (size := frame_size(held, end)) is not None:
            if size > MOST:
                log.error("home makes no sense", address=self.home.address, size=size)
                self._lose()
                return
            if end + size > len(held):
                break
            closes = held[end] == CLOSES
            end += size
        self._held = held[end:]
        if end:
            self._connection.pass_on(held[:end])
        if closes:
            self._forget(self._connection.number, None)
            self._abort()
            self._connection.finish()

    # -- pace -----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        self._full = True
        self.balance()

    def resume_writing(self) -> None:
        self._full = False
        self.balance()

    def balance(self) -> None:
        """Read from either side only what the other takes."""
        if self._over:
            return
        self._connection.read(not self._full and self._early is None)
        if self._transport is not None and not self._transport.is_closing():
            if self._connection.full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- the end --------------------------------------------------------------------------------------------------

    def leave(self, *, goodbye: bool) -> None:
        """The client has gone. Its goodbye, and what it said before, is still brought to the home."""
        if not goodbye:
            self._abort()
            return
        self._over = True
        self._say(GOODBYE)
        if self._early is None:
            self._end_softly()

    def _end_softly(self) -> None:
        """What was said still leaves, if the home takes it."""
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(GOODBYE_WITHIN_S, self._transport.abort)

    def fail(self, why: str) -> None:
        """The home cannot be had: the client shall try again, a little later."""
        log.warning("home cannot be reached", address=self.home.address, why=why)
        self._forget(self._connection.number, None)
        self._abort()
        self._connection.close(msgspec.structs.replace(OVERLOADED, retry_ms=come_back_ms()))

    def _lose(self) -> None:
        self._forget(self._connection.number, None)
        self._abort()
        self._connection.close(CONTINUITY_LOST)

    def _abort(self) -> None:
        self._over, self._early, self._held = True, None, b""
        self.settled.set()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, fault: Exception | None) -> None:
        if self._early is not None:
            self.fail("it ended before it answered")
        elif not self._over:
            self._lose()
