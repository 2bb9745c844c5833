"""The feed over HTTP: posts of those whom I follow, and mine (wire contract §9). News of it are the event FeedNew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Literal
from urllib.parse import urlencode

from .accounts import Login
from .posts import Post, PostPage, read_post
from .reading import maps_of, text_or_none

PAGE: Final = 20


class Feed:
    """One login's feed. All raise Refused, AuthenticationFailed, OSError and Malformed."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def page(
        self, mode: Literal["latest", "ranked"] = "latest", before: str | None = None, limit: int = PAGE
    ) -> PostPage:
        """The newest first, or ranked; `before` is the `next` of the page before."""
        query = urlencode({"mode": mode, "limit": limit} | ({} if before is None else {"before": before}))
        said = await self._login.call("GET", f"/v1/feed?{query}")
        return PostPage(tuple(read_post(item) for item in maps_of(said, "items")), text_or_none(said, "next"))

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
