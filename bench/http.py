"""HTTP as a load generator speaks it: ready-made requests on connections that stay, one at a time on each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Answered = Callable[[int, bytes], None]
"""Is told the status and the body; status 0: the connection was lost."""
Get = Callable[[str, str], Awaitable[tuple[int, bytes]]]
"""Of a path, for a token: status and body."""

_END, _LENGTH = b"\r\n\r\n", b"content-length:"


class Line(asyncio.Protocol):
    """One connection. What is asked while an answer is waited for is sent after it."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._waiting: deque[tuple[bytes, Answered]] = deque()
        self._held = b""

    @classmethod
    async def open(cls, host: str, port: int) -> Line:
        """Raises OSError."""
        _, line = await asyncio.get_running_loop().create_connection(cls, host, port)
        return line

    def ask(self, request: bytes, answered: Answered) -> None:
        """Send a whole request, as soon as those before it are answered."""
        self._waiting.append((request, answered))
        if len(self._waiting) == 1:
            self._transport.write(request)

    async def get(self, path: str, token: str) -> tuple[int, bytes]:
        """The answer to a question without a body."""
        return await self.answer(request("GET", path, token))

    async def answer(self, request: bytes) -> tuple[int, bytes]:
        """Status and body, when they are there; status 0: the connection was lost."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self.ask(request, lambda *said: answer.set_result(said))
        return await answer

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, rest = self._held.partition(_END)
        if not end:
            return
        low = head.lower()
        at = low.find(_LENGTH) + len(_LENGTH)
        length = int(low[at : low.find(b"\r\n", at) if b"\r\n" in low[at:] else len(low)])
        if len(rest) < length:
            return
        self._held = b""
        _, answered = self._waiting.popleft()
        if self._waiting:
            self._transport.write(self._waiting[0][0])
        answered(int(head[9:12]), rest[:length])

    def connection_lost(self, fault: Exception | None) -> None:
        waiting, self._waiting = self._waiting, deque()
        for _, answered in waiting:
            answered(0, b"")


@asynccontextmanager
async def getting(host: str, port: int, connections: int) -> AsyncIterator[Get]:
    """Questions without a body, each on the one of so many connections that has been free for longest: a server closes
    those that are not used. Raises OSError."""
    idle: asyncio.Queue[Line] = asyncio.Queue()
    lines = [await Line.open(host, port) for _ in range(connections)]
    for line in lines:
        idle.put_nowait(line)

    async def get(path: str, token: str) -> tuple[int, bytes]:
        free = await idle.get()
        try:
            return await free.get(path, token)
        finally:
            idle.put_nowait(free)

    try:
        yield get
    finally:
        for line in lines:
            line.close()


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A request, with a body of JSON or without one."""
    head = f"{method} {path} HTTP/1.1\r\nHost: tidings\r\nAuthorization: Bearer {token}\r\n"
    about = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{head}{about}\r\n".encode() + body
