"""Signing up and signing in over HTTP, and access tokens that stay fresh (wire contract §9)."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .addresses import http_url
from .errors import AuthenticationFailed, Malformed, Refused
from .reading import as_map, int_of, text_of, text_or_none

TIMEOUT_S: Final = 10.0


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
    called with the new tokens before they are used, for whoever keeps them.
    """

    def __init__(self, url: str, tokens: Tokens, rotated: Callable[[Tokens], None] | None = None) -> None:
        self.tokens = tokens
        self._url = url
        self._rotated = rotated
        self._turn = asyncio.Lock()

    async def __call__(self, stale: str | None = None) -> str:
        """The access token; a fresh one if it is the stale one. Raises AuthenticationFailed if refreshing is refused,
        OSError if the server cannot be reached."""
        async with self._turn:
            if stale == self.tokens.access_token:
                try:
                    self.tokens = await refresh(self._url, self.tokens.refresh_token)
                except Refused as refusal:
                    raise AuthenticationFailed(f"the login cannot be refreshed: {refusal}") from refusal
                if self._rotated is not None:
                    self._rotated(self.tokens)
            return self.tokens.access_token


async def sign_up(
    url: str, username: str, password: str, *, name: str | None = None, email: str | None = None
) -> Tokens:
    """Makes an account and signs in. Raises Refused with the server's code, OSError if it cannot be reached."""
    body = {"username": username, "password": password, "name": name, "email": email}
    return await _tokens(url, "/v1/accounts", body)


async def log_in(url: str, username: str, password: str, *, device: str | None = None) -> Tokens:
    """Signs in. Raises as `sign_up`."""
    return await _tokens(url, "/v1/logins", {"username": username, "password": password, "device": device})


async def refresh(url: str, refresh_token: str) -> Tokens:
    """New tokens for old; the refresh token is spent. Raises as `sign_up`."""
    return await _tokens(url, "/v1/logins/refresh", {"refresh_token": refresh_token})


async def _tokens(url: str, path: str, body: dict[str, str | None]) -> Tokens:
    said = await asyncio.to_thread(_post, http_url(url, path), {k: v for k, v in body.items() if v is not None})
    return Tokens(
        user=text_of(said, "user"),
        access_token=text_of(said, "access_token"),
        refresh_token=text_of(said, "refresh_token"),
        expires_in=int_of(said, "expires_in"),
    )


def _post(url: str, body: dict[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return _decoded(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise _problem(error.code, error.read()) from None


def _problem(status: int, body: bytes) -> Exception:
    """The error of an RFC 9457 problem document; a fault of the server's is one to try again."""
    try:
        said = _decoded(body)
    except Malformed:
        said = {}
    code, detail = said.get("code"), text_or_none(said, "detail") or text_or_none(said, "title") or ""
    if status >= 500 or status == 429:
        return ConnectionError(f"the server answers {status}: {detail}")
    return Refused(code if isinstance(code, str) else f"http_{status}", detail)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return as_map(json.loads(body), "the answer")
    except ValueError as error:
        raise Malformed("the answer is not JSON") from error
