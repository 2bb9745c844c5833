"""Signing up and signing in over HTTP, and access tokens that stay fresh (wire contract §9)."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .addresses import http_url
from .errors import AuthenticationFailed, Malformed, Refused
from .greeting import APP, PLATFORM, described
from .reading import as_map, int_of, text_of
from .requests import FINAL

TIMEOUT_S: Final = 10.0
_REFUSALS: Final = FINAL | {"unauthenticated"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives. `user` is the id; `expires_in` are the access token's seconds."""

    user: str
    access_token: str
    refresh_token: str
    expires_in: int


class Login:
    """The tokens of one login, and a `token_source` for clients: call it with a stale token to get a fresh one.

    Refresh tokens rotate: each is good once, so clients that share a login must share this object. `rotated` is
    called with the new tokens before they are used, for whoever keeps them; if it raises, they are asked for again.
    """

    def __init__(self, url: str, tokens: Tokens, rotated: Callable[[Tokens], None] | None = None) -> None:
        self.tokens = tokens
        self._url = url
        self._rotated = rotated
        self._turn = asyncio.Lock()

    async def __call__(self, stale: str | None = None) -> str:
        """The access token; a fresh one if it is the stale one. Raises AuthenticationFailed if the server refuses to
        refresh it; OSError if it cannot be reached or answers without sense, which is to be tried again."""
        async with self._turn:
            if stale == self.tokens.access_token:
                fresh = await self._refresh()
                if self._rotated is not None:
                    self._rotated(fresh)
                self.tokens = fresh
            return self.tokens.access_token

    async def _refresh(self) -> Tokens:
        try:
            return await refresh(self._url, self.tokens.refresh_token)
        except Refused as refusal:
            # A 403 of some proxy on the way is no word of the server's: a login does not end by it.
            if refusal.code not in _REFUSALS:
                raise ConnectionError(f"the login could not be refreshed: {refusal}") from refusal
            raise AuthenticationFailed(f"the login cannot be refreshed: {refusal}") from refusal
        except Malformed as error:
            raise ConnectionError(f"the login could not be refreshed: {error}") from error


async def sign_up(
    url: str, username: str, password: str, *, name: str | None = None, email: str | None = None
) -> Tokens:
    """Makes an account and signs in. Raises Refused with the server's code (`http_404` and the like where the answer is
    none of Tidings), OSError if it cannot be reached or is in trouble, Malformed if its answer makes no sense."""
    body = {"username": username, "password": password, "name": name, "email": email}
    return await _tokens(url, "/v1/accounts", body)


async def log_in(
    url: str, username: str, password: str, *, device: str | None = None, platform: str = PLATFORM, app: str = APP
) -> Tokens:
    """Signs in. `device`, `platform` and `app` are those of the Client, told where the user is shown their logins;
    nothing is told without a `device`. Raises as `sign_up`."""
    about = described(device, platform, app) if device is not None else None
    return await _tokens(url, "/v1/logins", {"username": username, "password": password, "device": about})


async def refresh(url: str, refresh_token: str) -> Tokens:
    """New tokens for old; the refresh token is spent. Raises as `sign_up`."""
    return await _tokens(url, "/v1/logins/refresh", {"refresh_token": refresh_token})


async def _tokens(url: str, path: str, body: Mapping[str, str | dict[str, str] | None]) -> Tokens:
    said = await asyncio.to_thread(_post, http_url(url, path), {k: v for k, v in body.items() if v is not None})
    return Tokens(
        user=text_of(said, "user"),
        access_token=text_of(said, "access_token"),
        refresh_token=text_of(said, "refresh_token"),
        expires_in=int_of(said, "expires_in"),
    )


def _post(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return ask(url, "POST", body)


def ask(url: str, method: str, body: Mapping[str, Any] | None, token: str | None = None) -> dict[str, Any]:
    """What the server answers, to who has that access token. Blocks; raises as `sign_up`."""
    try:
        status, answer = _exchange(url, method, None if body is None else json.dumps(body).encode(), token)
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer of {url} broke off: {error!r}") from error
    if status >= 300:
        raise _problem(url, status, answer)
    return _decoded(answer)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would be sent as GET, and the password in it to somebody else."""

    def redirect_request(self, *_: object) -> None:
        return None


def _exchange(url: str, method: str, body: bytes | None, token: str | None) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _problem(url: str, status: int, answer: bytes) -> Exception:
    """The error of an RFC 9457 problem document; a fault of the server's is one to try again."""
    try:
        said = _decoded(answer)
    except Malformed:
        said = {}
    code, detail = said.get("code"), said.get("detail") or said.get("title") or url
    if status >= 500 or status == 429:
        return ConnectionError(f"the server answers {status}: {detail}")
    return Refused(code if isinstance(code, str) else f"http_{status}", str(detail))


def _decoded(answer: bytes) -> dict[str, Any]:
    try:
        return as_map(json.loads(answer), "the answer")
    except (ValueError, RecursionError) as error:
        raise Malformed("the answer is not JSON") from error
