"""One open WebSocket: encodes, writes in order, reads, and says how it ended."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from .codec import Codec

SERVER_MESSAGE_BYTES: Final = 256 * 1024
CLOSE_S: Final = 1.0
OPEN_S: Final = 10.0

Ended = tuple[int | None, str]


class Unreachable(Exception):
    """No connection could be had. `reason` has the form of a close reason."""

    def __init__(self, why: str, reason: str = "") -> None:
        super().__init__(why)
        self.reason = reason


async def open_link(url: str, codec: Codec) -> Link:
    """Opens a connection; raises Unreachable when it cannot be had, with the server's wish when to come back."""
    try:
        socket = await connect(
            url,
            subprotocols=[Subprotocol(codec.subprotocol)],
            compression=None,
            open_timeout=OPEN_S,
            close_timeout=CLOSE_S,
            ping_interval=None,
            max_size=SERVER_MESSAGE_BYTES,
        )
    except InvalidStatus as refusal:
        raise Unreachable(str(refusal), _retry_after(refusal)) from refusal
    except (OSError, TimeoutError, WebSocketException) as error:
        raise Unreachable(str(error) or repr(error)) from error
    if socket.subprotocol != codec.subprotocol:
        await socket.close(1002)
        raise Unreachable(f"a WebSocket server that does not speak {codec.subprotocol}")
    return Link(socket, codec)


class Link:
    """Reading and writing run side by side; both end when the connection does."""

    def __init__(self, socket: ClientConnection, codec: Codec) -> None:
        self._socket = socket
        self._codec = codec
        self._outgoing: deque[bytes | str | int] = deque()
        self._work = asyncio.Event()
        self._last_word: asyncio.TimerHandle | None = None

    def write(self, message: dict[str, Any], largest: int) -> int:
        """Queues a message. Returns 0, or its size in bytes when that is above `largest` and it does not leave."""
        frame = self._codec.encode(message)
        size = len(frame) if isinstance(frame, bytes) or len(frame) * 4 <= largest else len(frame.encode())
        if size > largest:
            return size
        self._outgoing.append(frame)
        self._work.set()
        return 0

    def close(self, code: int) -> None:
        """Closes once everything written has left; a peer that does not take it is cut off after two seconds."""
        self._outgoing.append(code)
        self._work.set()
        self._last_word = asyncio.get_running_loop().call_later(2 * CLOSE_S, self.cut)

    def cut(self) -> None:
        """Ends the connection without a word."""
        self._socket.transport.abort()

    async def run(self, received: Callable[[bytes | str], None], room: Callable[[], Awaitable[None]]) -> Ended:
        """Reads until the end, and returns the close code and reason the server gave (None: it gave none).

        After each message it waits for `room`; what the server sends meanwhile waits in the transport.
        """
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._write())
            try:
                while True:
                    received(await self._socket.recv())
                    await room()
            except ConnectionClosed as end:
                return (None, "") if end.rcvd is None else (end.rcvd.code, end.rcvd.reason)
            finally:
                writer.cancel()
                if self._last_word is not None:
                    self._last_word.cancel()
                self.cut()

    async def _write(self) -> None:
        try:
            while True:
                while self._outgoing:
                    item = self._outgoing.popleft()
                    if isinstance(item, int):
                        await self._socket.close(item)
                    else:
                        await self._socket.send(item)
                self._work.clear()
                await self._work.wait()
        except ConnectionClosed:
            # The reader sees the same end, with its code, once it has read what arrived before.
            return


def _retry_after(refusal: InvalidStatus) -> str:
    said = refusal.response.headers.get_all("Retry-After")
    return json.dumps({"retry_ms": int(said[0]) * 1_000}) if said and said[0].isdecimal() else ""
