"""Likes, saves and comments over HTTP (docs/protocol.md §9)."""

from typing import Annotated, NewType

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.digests import sameness
from protocol.errors import Code
from protocol.graph import Cursor, People, PeopleQuery
from protocol.ids import ID, Millis
from protocol.posts import Author, PostId, Posts
from protocol.replies import Done
from protocol.requests import Cid
from protocol.route import ById, Method, Route

CommentId = NewType("CommentId", str)

MENTIONS = 10
"""Whom one comment may mention; further names are text."""


class PostMarks(Struct, frozen=True, gc=False):
    """How a post stands for me: `liked` and `saved` are exact at once. The totals hold what I just did, and are exact
    for posts that few people like at a time; of the others they are at most 5 s old."""

    liked: bool
    saved: bool
    likes: int
    comments: int


class CommentMarks(Struct, frozen=True, gc=False):
    """How a comment stands for me, as `PostMarks`."""

    liked: bool
    likes: int


class NewComment(Struct, frozen=True, gc=False):
    """`parent` is the comment that it answers. An answer to an answer stands in the same thread."""

    cid: Cid
    text: Annotated[str, Meta(min_length=1, max_length=2_200, pattern=r"^[^\u0000]*$(?!\n)")]
    parent: Annotated[CommentId, ID] | UnsetType = UNSET

    def digest(self, post: PostId) -> bytes:
        """Over what it asks for: whether a request with a known `cid` is the same again."""
        return sameness(post, self.text, self.parent)


class Comment(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One comment as I see it. `parent` is the comment of its thread, `comments` counts the answers in the thread that
    it begins. Without `text` it was deleted, which only a repeat of the request that made it is told."""

    id: CommentId
    post: PostId
    author: Author
    at: Millis
    text: str | UnsetType = UNSET
    parent: CommentId | UnsetType = UNSET
    likes: int = 0
    liked: bool = False
    comments: int = 0


class Commented(Struct, frozen=True, gc=False, omit_defaults=True):
    """The comment that was made. `dup`: an earlier request with this `cid` made it."""

    comment: Comment
    dup: bool = False


class Comments(Struct, frozen=True, gc=False):
    """A page of comments; `next` is there when it goes on."""

    items: list[Comment]
    next: str | UnsetType = UNSET


class CommentsQuery(Struct, frozen=True, gc=False):
    """`before` is a page's `next`."""

    before: Cursor | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class RepliesQuery(Struct, frozen=True, gc=False):
    """`after` is a page's `next`."""

    after: Cursor | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


_POST = "/v1/posts/{id}"
_COMMENT = "/v1/comments/{id}"


def _mark(name: str, method: Method, path: str, summary: str, answer: type[Struct] = PostMarks) -> Route:
    """A route that puts or ends an edge of mine."""
    return Route(
        name=f"engagement.{name}",
        method=method,
        path=path,
        summary=summary,
        answer=answer,
        place=ById,
        refusals=("not_found",),
    )


def _list(name: str, path: str, summary: str, answer: type[Struct], query: type[Struct], *refusals: Code) -> Route:
    return Route(
        name=f"engagement.{name}",
        method="GET",
        path=path,
        summary=summary,
        answer=answer,
        query=query,
        place=ById if "{id}" in path else None,
        refusals=refusals,
    )


ENGAGEMENT_ROUTES: tuple[Route, ...] = (
    _mark("like", "PUT", f"{_POST}/like", "Like a post"),
    _mark("unlike", "DELETE", f"{_POST}/like", "Like it no more"),
    _mark("save", "PUT", f"{_POST}/save", "Save a post, which nobody else is told"),
    _mark("unsave", "DELETE", f"{_POST}/save", "Save it no more"),
    _mark("like_comment", "PUT", f"{_COMMENT}/like", "Like a comment", CommentMarks),
    _mark("unlike_comment", "DELETE", f"{_COMMENT}/like", "Like it no more", CommentMarks),
    _list("likers", f"{_POST}/likes", "Who likes a post, the newest first", People, PeopleQuery, "not_found"),
    _list("saved", "/v1/me/saved", "What I saved, the latest first", Posts, CommentsQuery),
    _list("comments", f"{_POST}/comments", "Threads of a post, the newest first", Comments, CommentsQuery, "not_found"),
    _list(
        "replies", f"{_COMMENT}/replies", "A thread's answers, the oldest first", Comments, RepliesQuery, "not_found"
    ),
    _list(
        "comment_likers", f"{_COMMENT}/likes", "Who likes a comment, the newest first", People, PeopleQuery, "not_found"
    ),
    Route(
        name="engagement.get_comment",
        method="GET",
        path=_COMMENT,
        summary="One comment, whose `post` and `parent` say where it stands",
        answer=Comment,
        place=ById,
        refusals=("not_found",),
    ),
    Route(
        name="engagement.comment",
        method="POST",
        path=f"{_POST}/comments",
        summary="Comment on a post, or answer a comment; @username mentions somebody, up to ten",
        answer=Commented,
        status=201,
        bodies=(NewComment,),
        place=ById,
        refusals=("not_found", "id_reused"),
    ),
    Route(
        name="engagement.delete_comment",
        method="DELETE",
        path=_COMMENT,
        summary="Delete a comment of mine, or on a post of mine, and its thread; forbidden: it is neither",
        answer=Done,
        place=ById,
        refusals=("not_found", "forbidden"),
    ),
)
