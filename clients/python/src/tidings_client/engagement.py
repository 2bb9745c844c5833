"""Likes, saves and comments over HTTP (wire contract §9). Counts of posts on screen are `Client.watch_posts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .accounts import Login
from .client import new_cid
from .graph import People, read_people
from .paths import path
from .posts import PostPage, read_posts
from .reading import Body, bool_of, int_of, int_or_none, map_of, maps_of, text_of, text_or_none

PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class PostMarks:
    """How a post stands for me: `liked` and `saved` are exact. The totals are exact while few people do the same at a
    time, and at most 5 s old otherwise."""

    liked: bool
    saved: bool
    likes: int
    comments: int


@dataclass(frozen=True, slots=True)
class CommentMarks:
    """How a comment stands for me."""

    liked: bool
    likes: int


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as I see it. `parent` is the one that began its thread, None for that one itself, whose `comments`
    counts the answers. `text` is None when it was deleted, which only `comment` said again tells. `at` is in
    milliseconds since 1970. `dup`: an earlier try had made it."""

    id: str
    post: str
    author: str
    username: str
    name: str | None
    at: int
    text: str | None
    parent: str | None
    likes: int
    liked: bool
    comments: int
    dup: bool = False


@dataclass(frozen=True, slots=True)
class Comments:
    """A page of comments; `next` leads to the following page, None at the end."""

    items: tuple[Comment, ...]
    next: str | None


class Engagement:
    """One login's likes, saves and comments. Posts and comments are named by id.

    Repeats change nothing, so whatever raised OSError may be said again, `comment` by the same `cid`. All raise Refused
    (`not_found`: not there, for me), AuthenticationFailed, OSError and Malformed.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def like(self, post: str, *, on: bool = True) -> PostMarks:
        """Like a post; with `on=False` no more."""
        return await self._mark_post("like", post, on)

    async def save(self, post: str, *, on: bool = True) -> PostMarks:
        """Save a post, which nobody else is told; with `on=False` no more."""
        return await self._mark_post("save", post, on)

    async def like_comment(self, comment: str, *, on: bool = True) -> CommentMarks:
        """Like a comment; with `on=False` no more."""
        said = await self._login.call(_method(on), path("comments", comment, "like"))
        return CommentMarks(bool_of(said, "liked"), int_of(said, "likes"))

    async def likers(self, post: str, before: str | None = None, limit: int = 50) -> People:
        """A page of who likes a post, the newest first."""
        return read_people(await self._login.call("GET", path("posts", post, "likes", limit=limit, before=before)))

    async def comment_likers(self, comment: str, before: str | None = None, limit: int = 50) -> People:
        """A page of who likes a comment, the newest first."""
        return read_people(
            await self._login.call("GET", path("comments", comment, "likes", limit=limit, before=before))
        )

    async def get_comment(self, comment: str) -> Comment:
        """One comment, such as a notification names."""
        return _comment(await self._login.call("GET", path("comments", comment)))

    async def saved(self, before: str | None = None, limit: int = PAGE) -> PostPage:
        """A page of what I saved, the latest saved first."""
        return read_posts(await self._login.call("GET", path("me", "saved", limit=limit, before=before)))

    async def comment(self, post: str, text: str, *, parent: str | None = None, cid: str | None = None) -> Comment:
        """Comment on a post, or answer a comment of it; `@username` mentions somebody, up to ten."""
        body: dict[str, Any] = {"cid": cid or new_cid(), "text": text}
        if parent is not None:
            body["parent"] = parent
        said = await self._login.call("POST", path("posts", post, "comments"), body)
        return _comment(map_of(said, "comment"), dup=said.get("dup") is True)

    async def comments(self, post: str, before: str | None = None, limit: int = PAGE) -> Comments:
        """A page of threads, the newest first; answers are asked for by `replies`."""
        return _comments(await self._login.call("GET", path("posts", post, "comments", limit=limit, before=before)))

    async def replies(self, comment: str, after: str | None = None, limit: int = PAGE) -> Comments:
        """A page of a thread's answers, the oldest first."""
        return _comments(await self._login.call("GET", path("comments", comment, "replies", limit=limit, after=after)))

    async def delete_comment(self, comment: str) -> None:
        """Delete a comment of mine, or on a post of mine, and its answers. Raises Refused (`forbidden`: it is
        neither)."""
        await self._login.call("DELETE", path("comments", comment))

    async def _mark_post(self, word: str, post: str, on: bool) -> PostMarks:
        said = await self._login.call(_method(on), path("posts", post, word))
        marks = bool_of(said, "liked"), bool_of(said, "saved")
        return PostMarks(*marks, int_of(said, "likes"), int_of(said, "comments"))


def _method(on: bool) -> str:
    return "PUT" if on else "DELETE"


def _comments(said: Body) -> Comments:
    return Comments(tuple(_comment(item) for item in maps_of(said, "items")), text_or_none(said, "next"))


def _comment(said: Body, *, dup: bool = False) -> Comment:
    author = map_of(said, "author")
    return Comment(
        id=text_of(said, "id"),
        post=text_of(said, "post"),
        author=text_of(author, "user"),
        username=text_of(author, "username"),
        name=text_or_none(author, "name"),
        at=int_of(said, "at"),
        text=text_or_none(said, "text"),
        parent=text_or_none(said, "parent"),
        likes=int_or_none(said, "likes") or 0,
        liked=said.get("liked") is True,
        comments=int_or_none(said, "comments") or 0,
        dup=dup,
    )
