"""The feed over HTTP: posts of those whom I follow, and mine (wire contract §9). News of it are the event FeedNew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Literal

from .accounts import Login
from .paths import path
from .posts import Post, PostPage, read_posts

PAGE: Final = 20


class Feed:
    """One login's feed. All raise Refused, AuthenticationFailed, OSError and Malformed."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def page(
        self, mode: Literal["latest", "ranked"] = "latest", before: str | None = None, limit: int = PAGE
    ) -> PostPage:
        """The newest first, or ranked; `before` is the `next` of the page before."""
        return read_posts(await self._login.call("GET", path("feed", mode=mode, limit=limit, before=before)))

    async def posts(self, mode: Literal["latest", "ranked"] = "latest", limit: int = PAGE) -> AsyncIterator[Post]:
        """All there are, page by page as they are asked for; none twice, whatever is posted meanwhile."""
        before: str | None = None
        while True:
            page = await self.page(mode, before, limit)
            for post in page.items:
                yield post
            if page.next is None:
                return
            before = page.next
