"""Posts are edited, archived and deleted by their authors, and by whoever is tagged in them untagged: lock, read,
decide, write."""

from typing import Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import UNSET

from persistence.pool import Pool, transaction
from persistence.posts.making import text
from persistence.posts.statements import DELETE, EDIT, MINE, PUBLISH, TAGGED, UNTAG, WITHDRAW
from protocol.hashtags import hashtags
from protocol.ids import UserId
from protocol.mentions import mentioned
from protocol.posting import HASHTAGS, MENTIONS, PostPatch
from protocol.posts import PostId

WITHIN_S = 3.0
"""How long one call may take, the wait for a connection included."""

Judged = Literal["done", "absent", "unpublished"]


async def change(pool: Pool, me: UserId, id: PostId, patch: PostPatch) -> Judged:
    """Edit and archive a post of mine; what stands so already changes nothing.

    `absent`: there is none, or it is not mine; `unpublished`: it cannot be archived yet, and nothing was changed.
    Raises `UnavailableError`: it may have been changed.
    """
    async with transaction(pool, WITHIN_S) as connection:
        held = await _mine(connection, me, id)
        if held is None or held["state"] == "deleted":
            return "absent"
        if patch.archived and held["state"] not in ("published", "archived"):
            return "unpublished"
        await _edit(connection, id, held, patch)
        if patch.archived and held["state"] == "published":
            await connection.execute(WITHDRAW, int(id), "archived")
        elif patch.archived is False and held["state"] == "archived":
            await connection.execute(PUBLISH, int(id), "archived")
    return "done"


async def delete(pool: Pool, me: UserId, id: PostId) -> Judged:
    """Delete a post of mine: nobody sees it from then on. A repeat changes nothing; `absent` as by `change`."""
    async with transaction(pool, WITHIN_S) as connection:
        if await _mine(connection, me, id) is None:
            return "absent"
        await connection.execute(WITHDRAW, int(id), "deleted")
        await connection.execute(DELETE, int(id))
    return "done"


async def untag(pool: Pool, me: UserId, id: PostId) -> None:
    """I am not tagged in that post any more, if I was and may see it; only a new post could tag me again. Raises
    `UnavailableError`."""
    async with transaction(pool, WITHIN_S) as connection:
        # Alone with it: whoever publishes or archives it meanwhile tells, or takes back, the tag too.
        if found := await connection.fetch(TAGGED, int(id), int(me)):
            await connection.execute(UNTAG, int(id), int(me), found[0][0])


async def _mine(connection: "PoolConnectionProxy[asyncpg.Record]", me: UserId, id: PostId) -> asyncpg.Record | None:
    found = await connection.fetch(MINE, int(id), int(me))
    return found[0] if found else None


async def _edit(
    connection: "PoolConnectionProxy[asyncpg.Record]", id: PostId, held: asyncpg.Record, patch: PostPatch
) -> None:
    caption = held["caption"] if patch.caption is UNSET else text(patch.caption)
    place = held["place"] if patch.place is UNSET else text(patch.place)
    if (caption, place) != (held["caption"], held["place"]):
        said = caption or ""
        await connection.execute(EDIT, int(id), caption, place, hashtags(said, HASHTAGS), mentioned(said, MENTIONS))
