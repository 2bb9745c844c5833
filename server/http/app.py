"""The public application: each route of the table with its caller, its limit, its handler and its answer."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import hdrs, web

from protocol.errors import Refusal
from protocol.route import Route
from protocol.routes import ROUTES
from server.http.addresses import client_address, limited_unit
from server.http.answers import answered
from server.http.devices import DEVICE_HANDLERS
from server.http.documents import DOCUMENT_HANDLERS
from server.http.edge import edged
from server.http.engagement import ENGAGEMENT_HANDLERS
from server.http.graph import GRAPH_HANDLERS
from server.http.handling import Answer, Call, Handler, OpenHandler
from server.http.homes import HOME_HANDLERS
from server.http.logins import LOGIN_HANDLERS, OPEN_LOGIN_HANDLERS
from server.http.media import add_media
from server.http.posts import POST_HANDLERS
from server.http.profiles import PROFILE_HANDLERS
from server.http.rates import Limiter, Verdict, rate_headers
from server.http.reading import read_body, read_place, read_query
from server.http.services import Services
from server.http.stories import STORY_HANDLERS
from server.http.tus import add_tus
from server.http.twins import twin_handler
from server.http.uploads import UPLOAD_HANDLERS
from server.tokens import Caller, Expired

NO_TOKEN = Refusal("unauthenticated", "a token is needed, as Authorization: Bearer")
BAD_TOKEN = Refusal("unauthenticated", "the token is not valid")
OLD_TOKEN = Refusal("unauthenticated", "the token has expired")

HANDLING: Mapping[str, Any] = {
    # It names addresses, which are no part of our log.
    "access_log": None,
    # Also how long a request's header may take, the first one included: aiohttp starts it when a connection is made.
    "keepalive_timeout": 10.0,
    # A body that unfolds would have to be watched while it does; ours are small.
    "auto_decompress": False,
}
"""How aiohttp is to handle connections: arguments of `AppRunner`, and of `RequestHandler`."""

OPEN: Mapping[str, OpenHandler] = {**OPEN_LOGIN_HANDLERS, **DOCUMENT_HANDLERS}
SIGNED_IN: Mapping[str, Handler] = {
    **LOGIN_HANDLERS,
    **PROFILE_HANDLERS,
    **GRAPH_HANDLERS,
    **ENGAGEMENT_HANDLERS,
    **HOME_HANDLERS,
    **DEVICE_HANDLERS,
    **POST_HANDLERS,
    **UPLOAD_HANDLERS,
    **STORY_HANDLERS,
}


def make_app(services: Services) -> web.Application:
    """The routes of docs/protocol.md §9, to be run by an `AppRunner(app, **HANDLING)`."""
    app = edged(services.entry.origins)
    entrance = Entrance(services)
    add_tus(app, services.contents.uploads, entrance.admit)
    add_media(app, services.contents.pictures, entrance.spend)
    for route in ROUTES:
        endpoint = entrance.endpoint(route)
        # Words and ids share a place in some paths; told apart here, neither is taken for the other.
        path = route.path.replace("{id}", "{id:[0-9]+}")
        app.router.add_route(route.method, path, endpoint)
        if route.method == "GET":
            app.router.add_route(hdrs.METH_HEAD, path, endpoint)
    return app


class Entrance:
    """Who comes in, and how often."""

    def __init__(self, services: Services) -> None:
        self._services = services
        rates, monotonic = services.entry.rates, services.monotonic
        self._by_login = Limiter(rates.login, monotonic)
        self._by_address = Limiter(rates.address, monotonic)
        self._by_username = Limiter(rates.username, monotonic)
        self._by_viewer = Limiter(rates.viewer, monotonic)
        self._stricter = {
            "account.create": Limiter(rates.sign_up, monotonic),
            "login.create": Limiter(rates.sign_in, monotonic),
        }

    def endpoint(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The route as aiohttp calls it."""
        handle = self._open(route) if route.open else self._signed_in(route)

        async def endpoint(request: web.Request) -> web.Response:
            verdicts: list[Verdict] = []
            answer = await handle(request, verdicts)
            return answered(request, route, answer, rate_headers(verdicts))

        return endpoint

    def _open(self, route: Route) -> Callable[[web.Request, list[Verdict]], Awaitable[Answer]]:
        handler = OPEN[route.name]
        limiter = self._stricter.get(route.name, self._by_address)

        async def handle(request: web.Request, verdicts: list[Verdict]) -> Answer:
            if refusal := _over(limiter.spend(self._address(request)), verdicts):
                return refusal
            call = await self._read(request, route, verdicts)
            return call if isinstance(call, Refusal) else await handler(self._services, call)

        return handle

    def _signed_in(self, route: Route) -> Callable[[web.Request, list[Verdict]], Awaitable[Answer]]:
        handler = twin_handler(route) if route.ops else SIGNED_IN[route.name]

        async def handle(request: web.Request, verdicts: list[Verdict]) -> Answer:
            caller = self.admit(request, verdicts)
            if isinstance(caller, Refusal):
                return caller
            call = await self._read(request, route, verdicts)
            return call if isinstance(call, Refusal) else await handler(self._services, caller, call)

        return handle

    def admit(self, request: web.Request, verdicts: list[Verdict]) -> Caller | Refusal:
        """Who asks, if they may ask now."""
        caller = self._caller(request)
        if isinstance(caller, Refusal):
            return _over(self._by_address.spend(self._address(request)), verdicts) or caller
        return _over(self._by_login.spend(caller.login), verdicts) or caller

    def spend(self, request: web.Request, viewer: str | None, verdicts: list[Verdict]) -> Refusal | None:
        """Count a picture that is asked for by that viewer's address, or by one that we never signed."""
        limiter, unit = (self._by_viewer, viewer) if viewer else (self._by_address, self._address(request))
        return _over(limiter.spend(unit), verdicts)

    def _caller(self, request: web.Request) -> Caller | Refusal:
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer":
            return NO_TOKEN
        match self._services.accounts.tokens.verify(token.strip(), self._services.clock()):
            case Caller() as caller if not self._services.accounts.revocations.is_revoked(caller.login):
                return caller
            case Expired():
                return OLD_TOKEN
            case _:
                return BAD_TOKEN

    def _address(self, request: web.Request) -> str:
        peername = request.transport.get_extra_info("peername") if request.transport else None
        peer = str(peername[0]) if isinstance(peername, tuple) else ""
        forwarded = request.headers.getall("X-Forwarded-For", [])
        return limited_unit(client_address(peer, forwarded, self._services.entry.trusted_proxies))

    async def _read(self, request: web.Request, route: Route, verdicts: list[Verdict]) -> Call | Refusal:
        place, query = read_place(request, route), read_query(request, route)
        body = await read_body(request, route, self._services.entry.body_s)
        for part in (place, query, body):
            if isinstance(part, Refusal):
                return part
        return Call(body, query, place, lambda username: _over(self._by_username.spend(username.lower()), verdicts))


def _over(verdict: Verdict, verdicts: list[Verdict]) -> Refusal | None:
    """Note the verdict for the headers; the refusal if it is against the request."""
    verdicts.append(verdict)
    if not verdict.retry_ms:
        return None
    return Refusal("rate_limited", f"too many requests: limit {verdict.rate.name}", verdict.retry_ms)
