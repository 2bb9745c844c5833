"""aiohttp's handler of one connection, with our words for what it answers by itself."""

import asyncio
import traceback
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from protocol.errors import FAILED, Refusal
from server.http.answers import refused
from server.http.app import HANDLING
from server.http.edge import SERVER

UNREADABLE = Refusal("bad_request", "the request is not HTTP that can be read")
LONG = Refusal("too_large", "a line of the request's head is too long: 8 KiB are the most, its target included")
UNEXPECTED = Refusal("bad_request", "Expect: 100-continue is all that can be expected")

log = structlog.get_logger()


class Speaking(web.RequestHandler):
    """One connection of `server`."""

    __slots__ = ()

    def __init__(self, server: web.Server) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **HANDLING)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem document. Such an answer goes past the application."""
        if isinstance(exc, HttpProcessingError):
            log.info("http request unreadable", fault=type(exc).__name__)
            response = refused(LONG, status=431) if isinstance(exc, LineTooLong) else refused(UNREADABLE)
        else:
            # It logs, and raises where an answer has begun.
            super().handle_error(request, status, exc, message)
            response = refused(FAILED)
        response.headers[hdrs.SERVER] = SERVER
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """`Expect` is refused before any middleware is asked."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = refused(UNEXPECTED, status=resp.status)
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A failure by its place and kind: aiohttp's words quote what was sent, with the tokens in there."""
        fault = kw.get("exc_info")
        where = "".join(traceback.format_tb(fault.__traceback__)) if fault else ""
        log.error("http connection failed", fault=type(fault).__name__, where=where)
