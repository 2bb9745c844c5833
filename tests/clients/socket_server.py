"""The model server on a real socket: one handler per connection, in either spelling."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.typing import Subprotocol

from tests.clients.model_server import ModelServer, Wire
from tidings_client.codec import JSON, MSGPACK

Body = dict[str, Any]
Close = tuple[int, Body]
Note = TypeVar("Note")


class SocketServer:
    """`refuse` may close instead of answering a message; `turn_away` may answer the upgrade with a plain response."""

    def __init__(self) -> None:
        self.model = ModelServer()
        self.url = ""
        self.refuse: Callable[[Body], Close | None] = lambda message: None
        self.turn_away: Callable[[], Response | None] = lambda: None
        self.heard: list[Body] = []
        self.news = asyncio.Condition()
        self.ends: list[int | None] = []
        self._live: tuple[ServerConnection, Wire] | None = None

    async def handle(self, socket: ServerConnection) -> None:
        wire = Wire()
        self._live = socket, wire
        codec = JSON if socket.subprotocol == JSON.subprotocol else MSGPACK
        try:
            async for frame in socket:
                message = codec.decode(frame)
                await self._note(self.heard, message)
                if close := self.refuse(message):
                    await socket.close(close[0], json.dumps(close[1]))
                    return
                self.model.answer(message, wire)
                await self.flush(socket, wire)
        except ConnectionClosed:
            return
        finally:
            said = socket.protocol.close_rcvd
            await self._note(self.ends, said.code if said else None)

    async def flush(self, socket: ServerConnection, wire: Wire) -> None:
        codec = JSON if socket.subprotocol == JSON.subprotocol else MSGPACK
        for queue in (wire.replies, wire.events):
            while queue:
                await socket.send(codec.encode(queue.popleft()))

    async def write(self, conversation: str, count: int) -> None:
        """Messages of somebody else."""
        assert self._live is not None
        socket, wire = self._live
        for _ in range(count):
            self.model.write(conversation, "you", f"other{self.model.u}", wire)
        await self.flush(socket, wire)

    async def hears(self, op: str, **fields: Any) -> Body:
        """Waits for a message the client has sent, or will send."""
        async with asyncio.timeout(20), self.news:
            while True:
                for message in self.heard:
                    if message["op"] == op and fields.items() <= message.items():
                        return message
                await self.news.wait()

    async def ended(self, count: int) -> None:
        """Waits until so many connections have come and gone."""
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(lambda: len(self.ends) >= count)

    async def _note(self, notes: list[Note], note: Note) -> None:
        async with self.news:
            notes.append(note)
            self.news.notify_all()


@asynccontextmanager
async def socket_server() -> AsyncIterator[SocketServer]:
    """A server on a port of its own."""
    server = SocketServer()
    subprotocols = [Subprotocol(codec.subprotocol) for codec in (MSGPACK, JSON)]
    async with serve(
        server.handle,
        "127.0.0.1",
        0,
        subprotocols=subprotocols,
        compression=None,
        process_request=lambda socket, request: server.turn_away(),
        close_timeout=0.2,
    ) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}/v1/socket"
        yield server


def busy() -> Response:
    """The answer of a node over its budget."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return Response(status.value, status.phrase, Headers({"Retry-After": "0"}), b"")
