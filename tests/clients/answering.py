"""A server that answers the Python client's requests over HTTP, whatever they are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tidings_client import Login, Tokens


class Answering:
    """Answers as told, and remembers who asked what."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, await request.json() if request.can_read_body else None))
        return web.json_response(self.answer)


@asynccontextmanager
async def served(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Login]:
    """A login at a server of which every request is given to `handle`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as running:
        yield Login(f"ws://127.0.0.1:{running.port}/v1/socket", Tokens("1", "access", "refresh", 900))
