"""Comments: threads of one level. What exists is counted, and told to whom it concerns, with the deed itself."""

from typing import Literal

import asyncpg
from msgspec import UNSET, Struct

from persistence.engagement.statements import HELD, HIDE, MADE, MAKE, ONE
from persistence.once import once
from persistence.pool import Pool, fetch, transaction
from protocol.engagement import MENTIONS, Comment, CommentId, NewComment
from protocol.ids import Millis, UserId
from protocol.mentions import mentioned
from protocol.posts import Author, PostId
from protocol.unset import or_unset

WITHIN_S = 2.0
AT_ONCE = 1_000
"""Answers that one transaction hides with their thread."""

Judged = Literal["deleted", "forbidden", "absent"]


class Made(Struct, frozen=True, gc=False):
    """The comment with that cid, what it was asked for with, and whether an earlier request made it."""

    comment: Comment
    digest: bytes
    again: bool


async def make(pool: Pool, author: UserId, post: PostId, new: NewComment) -> Made | None:
    """The comment with this cid of this author, made unless it is there; None: they may not see what it is about.

    Raises `UnavailableError`: it may have been made.
    """
    parent = None if new.parent is UNSET else int(new.parent)
    names = mentioned(new.text, MENTIONS)
    arguments = int(author), new.cid, int(post), parent, new.digest(post), new.text, names

    async def attempt() -> Made | Literal["absent"] | None:
        found = await fetch(pool, WITHIN_S, MAKE, *arguments)
        if not found:
            return "absent"
        if found[0]["made"] is None:
            return None
        [row] = await fetch(pool, WITHIN_S, MADE, int(author), new.cid)
        return Made(comment(row), row["digest"], again=found[0]["made"] is False)

    made = await once(attempt, str)
    return made if isinstance(made, Made) else None


async def get(pool: Pool, viewer: UserId, id: CommentId) -> Comment | None:
    """One comment; None: `viewer` may not see it. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, ONE, int(viewer), int(id))
    return comment(found[0]) if found else None


async def delete(pool: Pool, me: UserId, id: CommentId) -> Judged:
    """Delete a comment of mine, or on a post of mine, with all its answers; a repeat goes on where one was interrupted.

    `absent`: I may not see it; `forbidden`: it is for others to delete. Raises `UnavailableError`.
    """
    async with transaction(pool, WITHIN_S) as connection:
        # Alone with it: whoever answers it is done by now, or finds it deleted.
        found = await connection.fetch(HELD, int(me), int(id))
        if not found or not (found[0]["mine"] or found[0]["seen"]):
            return "absent"
        if not found[0]["mine"]:
            return "forbidden"
        hidden = await connection.fetchval(HIDE, int(id), AT_ONCE)
    while hidden == AT_ONCE:
        [row] = await fetch(pool, WITHIN_S, HIDE, int(id), AT_ONCE)
        hidden = row[0]
    return "deleted"


def comment(row: asyncpg.Record) -> Comment:
    """One row of a statement that reads comments."""
    id, post, user, username, name, at, text, parent, likes, liked, comments, *_ = row
    return Comment(
        id=CommentId(str(id)),
        post=PostId(str(post)),
        author=Author(UserId(str(user)), username, or_unset(name)),
        at=Millis(at // 1_000),
        text=or_unset(text),
        parent=UNSET if parent is None else CommentId(str(parent)),
        likes=likes,
        liked=liked,
        comments=comments,
    )
