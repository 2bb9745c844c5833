"""HTTP on the port of the sockets: transports whose first request is no upgrade go to aiohttp, and come back."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NoReturn

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from actors.effects import Asked
from config.settings import SettingError
from protocol.errors import UNKNOWN_OUTCOME, Refusal
from protocol.handshake import MAX_HEAD, ROUTE, Elsewhere, Refused, over_budget, parse
from protocol.replies import Result
from protocol.requests import AnyRequest
from server.connection import Connection
from server.gateway import Gateway
from server.http import HANDLING
from server.http.answers import refused
from server.http.speaking import Speaking
from server.requests import Requests
from server.tokens import Caller
from server.tracing import TRACE

WITHIN_S = 10.0
DRAIN_S = 2.0
"""How long requests that are still under way may take when the node stops."""
NO_UPGRADE = Refusal("bad_request", "a socket is opened by `GET /v1/socket`")

log = structlog.get_logger()


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
            self._requests.take(caller.user, Asked(number, 1, trace=TRACE.get()), request)
            async with asyncio.timeout(WITHIN_S):
                return await answer.result
        except TimeoutError:
            return UNKNOWN_OUTCOME
        finally:
            self._gateway.leave(number)


class Web:
    """Serves `app` on transports that the gateway hands over, at most `most`, and `private` on its own port."""

    def __init__(self, app: web.Application, private: web.Application, gateway: Gateway, most: int) -> None:
        self.gateway = gateway
        self._most = most
        self._runner = web.AppRunner(app, shutdown_timeout=DRAIN_S, **HANDLING)
        self._private = web.AppRunner(private, shutdown_timeout=DRAIN_S, **HANDLING)
        self.connections = 0
        app.router.add_get("/v1/socket", self._upgrade)

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[None]:
        """Ready to take transports, and listening privately on `host:port`."""
        async with AsyncExitStack() as stack:
            for runner in (self._runner, self._private):
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
            stack.callback((await self._listen_privately(host, port)).close)
            yield

    async def _listen_privately(self, host: str, port: int) -> asyncio.Server:
        server = self._private.server
        assert server is not None
        try:
            return await asyncio.get_running_loop().create_server(lambda: Speaking(server), host, port)
        except OSError as fault:
            reason = os.strerror(fault.errno) if fault.errno else fault
            raise SettingError(
                f"node.private: {host}:{port} cannot be listened on ({reason}): choose another address."
            ) from fault

    def take(self, transport: asyncio.Transport, head: bytes) -> None:
        """The gateway has read `head`, which is not for a socket."""
        if self.connections >= self._most or self._runner.server is None:
            log.info("http connection refused", status=503)
            transport.write(over_budget(self.gateway.retry_s).response)
            transport.close()
            return
        self.connections += 1
        handler = _Handler(self, self._runner.server)
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(head)

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        """A socket that begins on a connection which spoke HTTP before."""
        lines = [f"{request.method} {request.raw_path} HTTP/{request.version.major}.{request.version.minor}".encode()]
        lines += [name + b": " + value for name, value in request.raw_headers]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        handler = request.protocol
        if isinstance(handler, _Handler) and not isinstance(parse(head, self.gateway.origins), Elsewhere):
            handler.give_back(head)
        return refused(NO_UPGRADE)


class _Handler(Speaking):
    """One connection of the public port, counted against their budget, which may go on as a socket."""

    __slots__ = ("_owner", "_recent")

    def __init__(self, owner: Web, server: web.Server) -> None:
        super().__init__(server)
        self._owner = owner
        # Enough of what came last to find the head in it that cannot be read.
        self._recent = b""

    def data_received(self, data: bytes) -> None:
        self._recent = (self._recent[-2 * MAX_HEAD :] + data)[: 4 * MAX_HEAD]
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._owner.connections -= 1
        super().connection_lost(exc)

    def give_back(self, head: bytes) -> NoReturn:
        """End here, and let the gateway go on with the transport as if the connection had begun with `head`."""
        transport, rest = self.transport, self._message_tail
        self.transport = None
        if transport is not None:
            self.connection_lost(None)
            connection = Connection(self._owner.gateway)
            transport.set_protocol(connection)
            connection.connection_made(transport)
            transport.resume_reading()
            connection.data_received(head + rest)
        # aiohttp must not answer any more: for it this connection has ended.
        raise asyncio.CancelledError

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What cannot be read is answered as on a new connection if it is for a socket."""
        start = self._recent.find(ROUTE) if isinstance(exc, HttpProcessingError) else -1
        if start >= 0 and isinstance(parse(self._recent[start:], self._owner.gateway.origins), Refused):
            self.give_back(self._recent[start:])
        return super().handle_error(request, status, exc, message)
