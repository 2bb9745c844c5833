"""HTTP on the port of the sockets: transports whose first request is no upgrade go to aiohttp, and come back."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from actors.effects import Asked
from protocol.errors import UNKNOWN_OUTCOME, Refusal
from protocol.handshake import Elsewhere, over_budget, parse
from protocol.replies import Result
from protocol.requests import AnyRequest
from server.connection import Connection
from server.gateway import Gateway
from server.http import HANDLING
from server.http.answers import refused
from server.requests import Requests
from server.tokens import Caller

WITHIN_S = 10.0
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
            self._requests.take(caller.user, Asked(number, 1), request)
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
        words = logging.Logger("http", logging.INFO)
        words.addHandler(_Discreet())
        self._runner = web.AppRunner(app, logger=words, **HANDLING)
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
            log.info("http connection refused", status=503)
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
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        transport = request.transport
        if transport is None or isinstance(parse(head, self._gateway.origins), Elsewhere):
            return refused(NO_UPGRADE)
        handler = transport.get_protocol()
        assert isinstance(handler, _Counted)
        handler.release()
        connection = Connection(self._gateway)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.data_received(head)
        # aiohttp must not answer any more: for it this connection has ended.
        raise asyncio.CancelledError


class _Discreet(logging.Handler):
    """What aiohttp logs, by its kind alone: its words quote what it could not read, with the tokens in there."""

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        if isinstance(fault, HttpProcessingError):
            log.info("http request unreadable", fault=type(fault).__name__)
        else:
            where = "".join(traceback.format_tb(fault.__traceback__)) if fault else ""
            log.error("http connection failed", fault=type(fault).__name__, where=where)


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

    def release(self) -> None:
        """For aiohttp the connection ends here, while its transport lives on."""
        self._handler.transport = None
        self.connection_lost(None)
