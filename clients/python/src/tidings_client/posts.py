"""Posts over HTTP: made, read, changed, deleted and listed (wire contract §9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from .accounts import Login
from .client import new_cid
from .paths import path
from .reading import Body, int_of, int_or_none, map_of, maps_of, text_of, text_or_none, texts_of

PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Media:
    """A picture. `width` and `height` are of its largest variant; `thumbhash` is padded base64."""

    id: str
    width: int
    height: int
    template: str
    thumbhash: str | None

    def url(self, variant: Literal["150", "320", "640", "1080", "2048"]) -> str:
        """Where to get it, so many pixels wide (150 is a square): a path on the server, good for me alone, and for a
        day at least."""
        return self.template.replace("{variant}", variant)


@dataclass(frozen=True, slots=True)
class Post:
    """A post as I see it. `state` is `published`, or told to its author alone: `processing`, `rejected` for `reason`,
    `archived`, `deleted`. Times are milliseconds since 1970; totals are at most 5 s old, `liked` and `saved` are mine
    and exact. `dup`: an earlier try had made it."""

    id: str
    author: str
    username: str
    name: str | None
    at: int
    media: tuple[Media, ...]
    caption: str | None
    place: str | None
    tags: tuple[str, ...]
    likes: int
    comments: int
    liked: bool
    saved: bool
    state: str
    reason: str | None
    edited_at: int | None
    dup: bool = False


@dataclass(frozen=True, slots=True)
class PostPage:
    """A page of posts, the newest first; `next` is the `before` of the following page, None at the end."""

    items: tuple[Post, ...]
    next: str | None


class Posts:
    """One login's posts, and those that it may see.

    All raise Refused (`not_found`: not there, for me), AuthenticationFailed, OSError and Malformed; whatever raised
    OSError may be said again, with `create` by the same `cid`.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def create(
        self,
        media: Iterable[str],
        caption: str | None = None,
        *,
        place: str | None = None,
        tags: Iterable[str] = (),
        cid: str | None = None,
    ) -> Post:
        """A post of pictures of mine, published when all of them are ready. Raises Refused (`conflict_state`) when one
        was rejected."""
        body: dict[str, Any] = {"cid": cid or new_cid(), "media": list(media)}
        given = {"caption": caption, "place": place, "tags": list(tags) or None}
        body |= {name: value for name, value in given.items() if value is not None}
        return read_post(await self._login.call("POST", path("posts"), body))

    async def get(self, post: str) -> Post:
        """One post."""
        return read_post(await self._login.call("GET", path("posts", post)))

    async def edit(
        self, post: str, *, caption: str | None = None, place: str | None = None, archived: bool | None = None
    ) -> Post:
        """Change a post of mine: what is given; an empty text removes it. `archived`: nobody else sees it."""
        given = {"caption": caption, "place": place, "archived": archived}
        body = {name: value for name, value in given.items() if value is not None}
        return read_post(await self._login.call("PATCH", path("posts", post), body))

    async def delete(self, post: str) -> None:
        """Delete a post of mine, for everybody and at once."""
        await self._login.call("DELETE", path("posts", post))

    async def untag(self, post: str) -> Post:
        """Take the tag of me off a post, for good; the post without it."""
        return read_post(await self._login.call("DELETE", path("posts", post, "tag")))

    async def of(self, user: str, before: str | None = None, limit: int = PAGE) -> PostPage:
        """A page of what somebody has posted."""
        return read_posts(await self._login.call("GET", path("users", user, "posts", limit=limit, before=before)))

    async def mine(
        self,
        state: Literal["published", "waiting", "archived"] = "published",
        before: str | None = None,
        limit: int = PAGE,
    ) -> PostPage:
        """A page of my own; `waiting` are not published yet, or were rejected."""
        page = path("me", "posts", limit=limit, state=state, before=before)
        return read_posts(await self._login.call("GET", page))


def read_posts(said: Body) -> PostPage:
    """One page of them, of whatever answer."""
    return PostPage(tuple(read_post(item) for item in maps_of(said, "items")), text_or_none(said, "next"))


def read_post(said: Body) -> Post:
    """One POST, of whatever answer."""
    author = map_of(said, "author")
    return Post(
        id=text_of(said, "id"),
        author=text_of(author, "user"),
        username=text_of(author, "username"),
        name=text_or_none(author, "name"),
        at=int_of(said, "at"),
        media=tuple(_media(one) for one in maps_of(said, "media")),
        caption=text_or_none(said, "caption"),
        place=text_or_none(said, "place"),
        tags=texts_of(said, "tags"),
        likes=int_or_none(said, "likes") or 0,
        comments=int_or_none(said, "comments") or 0,
        liked=said.get("liked") is True,
        saved=said.get("saved") is True,
        state=text_or_none(said, "state") or "published",
        reason=text_or_none(said, "reason"),
        edited_at=int_or_none(said, "edited_at"),
        dup=said.get("dup") is True,
    )


def _media(said: Body) -> Media:
    return Media(
        text_of(said, "id"),
        int_of(said, "width"),
        int_of(said, "height"),
        text_of(said, "url"),
        text_or_none(said, "thumbhash"),
    )
