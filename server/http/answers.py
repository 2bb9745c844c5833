"""Answering: structs as JSON, refusals as problem documents, ETags for what a client keeps."""

import base64
import hashlib
from collections.abc import Mapping

import msgspec
from aiohttp import web
from msgspec import UNSET

from protocol.errors import Refusal
from protocol.problems import MEDIA_TYPE, STATUS, problem
from protocol.route import Route
from server.http.handling import Answer

_encode = msgspec.json.Encoder().encode


def refused(refusal: Refusal, headers: Mapping[str, str] | None = None, status: int | None = None) -> web.Response:
    """The problem document of a refusal, with the headers that go with its status, or with another `status`."""
    more = dict(headers or {})
    more["Cache-Control"] = "no-store"
    if refusal.retry_ms is not UNSET:
        more["Retry-After"] = str(-(-refusal.retry_ms // 1_000))
    if refusal.code == "unauthenticated":
        more["WWW-Authenticate"] = 'Bearer realm="tidings"'
    body = _encode(problem(refusal, status))
    return web.Response(status=status or STATUS[refusal.code], body=body, headers=more, content_type=MEDIA_TYPE)


def answered(request: web.Request, route: Route, answer: Answer, headers: Mapping[str, str]) -> web.Response:
    """The response to a request that was carried out or refused."""
    if isinstance(answer, Refusal):
        return refused(answer, headers)
    body = answer if isinstance(answer, bytes) else _encode(answer)
    if not route.cached:
        more = {**headers, "Cache-Control": "no-store"}
        return web.Response(status=route.status, body=body, headers=more, content_type="application/json")
    tag = base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=12).digest()).decode()
    more = {**headers, "Cache-Control": "public, no-cache" if route.open else "private, no-cache", "ETag": f'"{tag}"'}
    if _names(request, tag):
        return web.Response(status=304, headers=more)
    return web.Response(status=route.status, body=body, headers=more, content_type="application/json")


def _names(request: web.Request, tag: str) -> bool:
    """Does If-None-Match name this tag, by weak comparison (RFC 9110 §13.1.2)?"""
    named = request.if_none_match or ()
    return any(etag.value in (tag, "*") for etag in named)
