"""Signing up and signing in over HTTP, and access tokens that stay fresh (wire contract §9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .errors import AuthenticationFailed, Malformed, Refused
from .greeting import APP, PLATFORM, described
from .http_calls import call, transfer
from .reading import int_of, text_of
from .requests import FINAL

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

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request over HTTP in the name of this login; a stale token is renewed, once.

        Raises as calling the login does, and Refused and Malformed.
        """
        token = await self()
        try:
            return await call(self._url, method, path, body, token)
        except Refused as refusal:
            if refusal.code != "unauthenticated":
                raise
        return await call(self._url, method, path, body, await self(token))

    async def transfer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """The same for what is not about JSON: status, headers in lower case, body. Raises AuthenticationFailed and
        OSError."""
        token = await self()
        answer = await transfer(self._url, method, path, {**headers, "Authorization": f"Bearer {token}"}, body)
        if answer[0] == 401:
            token = await self(token)
            answer = await transfer(self._url, method, path, {**headers, "Authorization": f"Bearer {token}"}, body)
        return answer

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
    said = await call(url, "POST", path, {k: v for k, v in body.items() if v is not None})
    return Tokens(
        user=text_of(said, "user"),
        access_token=text_of(said, "access_token"),
        refresh_token=text_of(said, "refresh_token"),
        expires_in=int_of(said, "expires_in"),
    )
