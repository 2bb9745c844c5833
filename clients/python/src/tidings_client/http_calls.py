"""Requests over HTTP (wire contract §9), one at a time and in a thread, as there are few of them."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import Any, BinaryIO, Final

from .addresses import http_url
from .errors import Malformed, Refused
from .reading import as_map

TIMEOUT_S: Final = 10.0
TRANSFER_S: Final = 60.0
"""How long one step of sending a file or of its answer may take."""


async def call(
    url: str, method: str, path: str, body: Mapping[str, Any] | None = None, token: str | None = None
) -> dict[str, Any]:
    """The answer; `path` may have a query.

    Raises Refused with the server's code (`http_404` and the like where the answer is none of Tidings), OSError if it
    cannot be reached or is in trouble, Malformed if its answer makes no sense.
    """
    return await asyncio.to_thread(_call, method, http_url(url, path), body, token)


def _call(method: str, url: str, body: Mapping[str, Any] | None, token: str | None) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    octets = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, octets, headers, method=method)
    status, _, answer = _transferred(request, TIMEOUT_S)
    if status >= 300:
        raise problem_of(url, status, answer)
    return _decoded(answer)


async def transfer(
    url: str, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, Mapping[str, str], bytes]:
    """A request that is not about JSON: the status, the headers in lower case and the body of its answer.

    Raises OSError if the server cannot be reached or the answer breaks off.
    """
    request = urllib.request.Request(http_url(url, path), body, dict(headers), method=method)
    return await asyncio.to_thread(_transferred, request, TRANSFER_S)


async def put(url: str, file: BinaryIO, length: int) -> tuple[int, bytes]:
    """Give a file to an absolute URL, which needs no token: the status and the body of the answer. Raises OSError."""
    headers = {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, file, headers, method="PUT")
    status, _, answer = await asyncio.to_thread(_transferred, request, TRANSFER_S)
    return status, answer


def problem_of(url: str, status: int, answer: bytes) -> Exception:
    """What is wrong, by an answer that is an RFC 9457 problem document, or none: Refused, or OSError for what is to be
    tried again."""
    try:
        said = _decoded(answer)
    except Malformed:
        said = {}
    code, detail = said.get("code"), said.get("detail") or said.get("title") or url
    if status >= 500 or status == 429:
        return ConnectionError(f"the server answers {status}: {detail}")
    return Refused(code if isinstance(code, str) else f"http_{status}", str(detail))


def _transferred(request: urllib.request.Request, within_s: float) -> tuple[int, Mapping[str, str], bytes]:
    try:
        return _exchange(request, within_s)
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer of {request.full_url} broke off: {error!r}") from error


def _exchange(request: urllib.request.Request, within_s: float) -> tuple[int, Mapping[str, str], bytes]:
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=within_s) as response:
            return response.status, _lower(response.headers), response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), error.read()


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would be sent as GET, and the password in it to somebody else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        return as_map(json.loads(answer), "the answer")
    except (ValueError, RecursionError) as error:
        raise Malformed("the answer is not JSON") from error
