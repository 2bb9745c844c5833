"""The private application: health and metrics, for those who run the node."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from protocol.errors import Refusal
from server.http.answers import refused
from server.http.documents import RETRY_MS
from server.http.edge import make_edge, make_stamp

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus text exposition format."""


def make_private_app(ready: Callable[[], Awaitable[str | None]], metrics: Callable[[], bytes]) -> web.Application:
    """`/health/live`, `/health/ready` and `/metrics`. `ready` as in `Services`; `metrics` gives the exposition text."""

    async def show_live(request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def show_ready(request: web.Request) -> web.Response:
        reason = await ready()
        if reason is None:
            return web.json_response({"ready": True})
        return refused(Refusal("unavailable", reason, RETRY_MS))

    async def show_metrics(request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": METRICS_TYPE})

    app = web.Application(middlewares=[make_edge(frozenset())])
    app.on_response_prepare.append(make_stamp(frozenset()))
    app.router.add_get("/health/live", show_live)
    app.router.add_get("/health/ready", show_ready)
    app.router.add_get("/metrics", show_metrics)
    return app
