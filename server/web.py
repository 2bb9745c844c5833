"""HTTP on the port of the sockets: transports whose first request is no upgrade go to aiohttp, and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from actors.effects import Asked
from protocol.errors import UNKNOWN_OUTCOME
from protocol.handshake import Upgrade, over_budget, parse
from protocol.replies import Result
from protocol.requests import AnyRequest
from server.connection import Connection
from server.gateway import Gateway
from server.http import HANDLING
from server.requests import Requests
from server.tokens import Caller

WITHIN_S = 10.0


class Answer:
    """An HTTP request that waits for the reply to one op."""

    def __init__(self) -> None:
        self.result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def reply(self, id: int, result: Result) -> None:
        if not self.result.done():
            self.result.set_result(result)


class Door:
    """The one way of HTTP to the operations: ask, and wait for the reply that a socket would get."""

    def __init__(self, gateway: Gateway, requests: Requests) -> None:
        self._gateway = gateway
        self._requests = requests

    async def ask(self, caller: Caller, request: AnyRequest) -> Result:
        answer = Answer()
        number = self._gateway.enter(answer)
        try:
            self._requests.take(caller, Asked(number, 1), request)
            async with asyncio.timeout(WITHIN_S):
                return await answer.result
        except TimeoutError:
            return UNKNOWN_OUTCOME
        finally:
            self._gateway.leave(number)


class Web:
    """Serves `app` on transports that the gateway hands over, at most `most`, and `private` on its own port."""

    def __init__(self, app: web.Application, private: web.Application, gateway: Gateway, most: int) -> None:
        self._gateway = gateway
        self._most = most
        self._runner = web.AppRunner(app, **HANDLING)
        self._private = web.AppRunner(private, access_log=None, handle_signals=False)
        self.connections = 0
        app.router.add_get("/v1/socket", self._upgrade)

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[None]:
        """Ready to take transports, and listening privately on `host:port`."""
        await self._runner.setup()
        await self._private.setup()
        try:
            await web.TCPSite(self._private, host, port).start()
            yield
        finally:
            await self._private.cleanup()
            await self._runner.cleanup()

    def take(self, transport: asyncio.Transport, head: bytes) -> None:
        """The gateway has read `head`, which is not for a socket."""
        if self.connections >= self._most or self._runner.server is None:
            transport.write(over_budget(self._gateway.retry_s).response)
            transport.close()
            return
        self.connections += 1
        handler = _Counted(self, self._runner.server())
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(head)

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        """A socket that begins on a connection which spoke HTTP before: the gateway takes the transport back."""
        lines = [f"{request.method} {request.raw_path} HTTP/{request.version.major}.{request.version.minor}".encode()]
        lines += [name + b": " + value for name, value in request.raw_headers]
        upgrade = parse(b"\r\n".join(lines) + b"\r\n\r\n", self._gateway.origins)
        transport = request.transport
        if not isinstance(upgrade, Upgrade) or transport is None:
            response = web.Response(status=getattr(upgrade, "status", 400), text=getattr(upgrade, "detail", ""))
            response.force_close()
            return response
        handler = transport.get_protocol()
        connection = Connection(self._gateway)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.upgrade(upgrade, b"")
        # aiohttp must neither answer nor close any more: for it this connection and its task end here.
        handler.connection_lost(None)
        raise asyncio.CancelledError


class _Counted(asyncio.Protocol):
    """aiohttp's handler, counted against the budget of HTTP connections."""

    def __init__(self, owner: Web, handler: Any) -> None:
        self._owner = owner
        self._handler = handler

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        result: bool | None = self._handler.eof_received()
        return result

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, fault: BaseException | None) -> None:
        self._owner.connections -= 1
        self._handler.connection_lost(fault)
