"""The access token that hello carries, and where the next one comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

TokenSource: TypeAlias = Callable[[str | None], Awaitable[str]]


class Credential:
    """One token for all connections. The source is asked when there is none yet, or the one a server saw is refused."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._token: str | None = None
        self._presented: str | None = None

    async def token(self, *, fresh: bool) -> str:
        """The token to greet with. `fresh`: the one presented last is no longer accepted; one that no server has seen
        yet is fresh enough. Raises what the source raises."""
        if self._token is None or (fresh and self._token == self._presented):
            self._token = await self._source(self._token)
        return self._token

    def presented(self) -> None:
        """A server is about to see the token."""
        self._presented = self._token
