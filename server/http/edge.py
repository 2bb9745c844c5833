"""Around every route: faults become problem documents, origins on the allowlist may read the answers (Fetch, CORS)."""

import traceback

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from persistence.faults import UnavailableError
from protocol.errors import FAILED, UNAVAILABLE, Refusal
from server.http.answers import refused
from server.http.reading import BODY_BYTES
from server.tracing import begin

MAX_AGE_S = 600
EXPOSED = (
    "ETag, RateLimit, RateLimit-Policy, Retry-After, Location, Tus-Resumable, Tus-Version, Tus-Extension, "
    "Tus-Max-Size, Tus-Checksum-Algorithm, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires"
)
ACCEPTED = (
    "Authorization, Content-Type, If-None-Match, Tus-Resumable, Upload-Offset, Upload-Length, Upload-Metadata, "
    "Upload-Checksum, X-HTTP-Method-Override, X-Requested-With"
)

SERVER = "tidings"
"""What answers call the server: aiohttp would name itself, Python, and their versions."""

NO_SUCH_ROUTE = Refusal("not_found", "there is nothing at this path")
FOREIGN = Refusal("forbidden", "this origin is not on the allowlist")

log = structlog.get_logger()


def edged(origins: frozenset[str]) -> web.Application:
    """An application without routes yet; `origins` may read its answers from a browser."""

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        begin(request.headers.get("traceparent"))
        if request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers:
            return _preflight(request, request.headers.get(hdrs.ORIGIN) in origins)
        return await _guarded(request, handler)

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        """As an answer begins: one that is written in parts is on its way before its handler is done."""
        origin = request.headers.get(hdrs.ORIGIN)
        response.headers[hdrs.SERVER] = SERVER
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Vary"] = ", ".join(["Origin", *response.headers.getall("Vary", [])])
        if origin in origins:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = str(origin)
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = EXPOSED

    app = web.Application(middlewares=[edge], client_max_size=BODY_BYTES)
    app.on_response_prepare.append(mark)
    return app


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return refused(NO_SUCH_ROUTE)
    except web.HTTPMethodNotAllowed as fault:
        allowed = ", ".join(sorted(fault.allowed_methods))
        return refused(Refusal("unknown_op", f"this path does not take this method, but {allowed}"), {"Allow": allowed})
    except UnavailableError as fault:
        log.warning("store unavailable", path=_path(request), cause=type(fault.__cause__).__name__)
        return refused(UNAVAILABLE)
    except Exception as fault:
        # The words of an error may quote what a client sent; where it happened and of what kind it is do not.
        where = "".join(traceback.format_tb(fault.__traceback__))
        log.error("request failed", path=_path(request), fault=type(fault).__name__, where=where)
        return refused(FAILED)


def _preflight(request: web.Request, known: bool) -> web.Response:
    if not known:
        return refused(FOREIGN)
    resource = request.match_info.route.resource
    match request.match_info.http_exception:
        case web.HTTPMethodNotAllowed() as fault:
            allowed = ", ".join(sorted(fault.allowed_methods))
        case None if resource is not None:
            # It also answers OPTIONS that are no preflight.
            allowed = ", ".join(sorted(route.method for route in resource))
        case _:
            return refused(NO_SUCH_ROUTE)
    headers = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: allowed,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: ACCEPTED,
        hdrs.ACCESS_CONTROL_MAX_AGE: str(MAX_AGE_S),
    }
    return web.Response(status=204, headers=headers)


def _path(request: web.Request) -> str:
    """The route's pattern: what a client put into a path is not logged."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical
