"""Whose posts there are, page by page: each page is a walk along an index."""

from typing import Literal

from persistence.cursors import cursor, read_cursor
from persistence.pool import Pool, fetch
from persistence.posts.statements import OPEN, PAGES
from protocol.ids import UserId
from protocol.posts import PostId

WITHIN_S = 2.0
State = Literal["published", "waiting", "archived"]


async def may_list(pool: Pool, viewer: UserId, author: UserId) -> bool:
    """Whether `author` exists and shows `viewer` what they post. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, OPEN, int(viewer), int(author))
    return bool(found and found[0][0])


async def page_of(
    pool: Pool, author: UserId, state: State, before: str | None, limit: int
) -> tuple[list[PostId], str | None]:
    """The newest posts of an author that are in that state, before the place where an earlier page ended, and where
    this one ends if it goes on. Raises `UnavailableError`."""
    at, id = read_cursor(before)
    found = await fetch(pool, WITHIN_S, PAGES[state], int(author), at, id, limit + 1)
    ids = [PostId(str(row[1])) for row in found[:limit]]
    if len(found) <= limit:
        return ids, None
    return ids, cursor(found[limit - 1][0], ids[-1])
