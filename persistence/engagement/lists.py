"""Lists of likers, of what I saved, of threads and of answers: pages, of which each row may be seen."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import asyncpg
from msgspec import UNSET, UnsetType

from persistence.cursors import cursor, read_cursor
from persistence.engagement.comments import comment
from persistence.engagement.statements import COMMENT_LIKERS, COMMENTS, LIKERS, REPLIES, SAVED
from persistence.pool import Pool, fetch
from protocol.engagement import CommentId, Comments
from protocol.graph import People, Person
from protocol.ids import Millis, UserId
from protocol.posts import PostId
from protocol.unset import or_unset

WITHIN_S = 2.0
_OLDEST = (0, 0)

Item = TypeVar("Item")
Saved = tuple[list[PostId], str | UnsetType]
"""Posts, the latest saved first, and the cursor of the next page."""


async def likers(pool: Pool, viewer: UserId, post: PostId, before: str | None, limit: int) -> People | None:
    """Who likes it, the newest first; None: `viewer` may not see it. Raises `UnavailableError`."""
    return await _likers(pool, LIKERS, viewer, post, before, limit)


async def comment_likers(
    pool: Pool, viewer: UserId, comment: CommentId, before: str | None, limit: int
) -> People | None:
    """The same of a comment."""
    return await _likers(pool, COMMENT_LIKERS, viewer, comment, before, limit)


async def saved(pool: Pool, me: UserId, before: str | None, limit: int) -> Saved:
    """What I saved and may still see. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, SAVED, int(me), *read_cursor(before), limit + 1)
    posts = [PostId(str(row["post"])) for row in found[:limit]]
    return posts, UNSET if len(found) <= limit else cursor(found[limit - 1][0], found[limit - 1][1])


async def threads(pool: Pool, viewer: UserId, post: PostId, before: str | None, limit: int) -> Comments | None:
    """Comments that begin threads, the newest first; None: `viewer` may not see the post. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, COMMENTS, int(viewer), int(post), *read_cursor(before), limit + 1)
    page = _page(found, limit, comment, lambda row: (row[5], row[0]))
    return None if page is None else Comments(*page)


async def replies(pool: Pool, viewer: UserId, thread: CommentId, after: str | None, limit: int) -> Comments | None:
    """Answers, the oldest first; None: `viewer` may not see the thread. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, REPLIES, int(viewer), int(thread), *read_cursor(after, _OLDEST), limit + 1)
    page = _page(found, limit, comment, lambda row: (row[5], row[0]))
    return None if page is None else Comments(*page)


async def _likers(
    pool: Pool, statement: str, viewer: UserId, thing: str, before: str | None, limit: int
) -> People | None:
    found = await fetch(pool, WITHIN_S, statement, int(viewer), int(thing), *read_cursor(before), limit + 1)
    page = _page(found, limit, _person, lambda row: (row[0], row[1]))
    return None if page is None else People(*page)


def _page(
    found: Sequence[asyncpg.Record],
    limit: int,
    read: Callable[[asyncpg.Record], Item],
    place: Callable[[asyncpg.Record], tuple[int, int]],
) -> tuple[list[Item], str | UnsetType] | None:
    """The items of up to one more than `limit` rows, and where the next page begins; None without any row. A row of
    nulls alone stands for no item."""
    if not found:
        return None
    rows = [] if found[0][0] is None else found
    items = [read(row) for row in rows[:limit]]
    return items, UNSET if len(rows) <= limit else cursor(*place(rows[limit - 1]))


def _person(row: asyncpg.Record) -> Person:
    at, user, username, name = row
    return Person(UserId(str(user)), username, Millis(at // 1_000), or_unset(name))
