"""Posts are made, and published when all their pictures are ready, whichever of the two is known first."""

from collections.abc import Sequence
from typing import Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import UNSET, Struct, UnsetType

from persistence.once import once
from persistence.pool import Pool, fetch, transaction
from persistence.posts.statements import AWAITING, HELD, MAKE, PUBLISH, REJECT, STUB
from protocol.hashtags import hashtags
from protocol.ids import Millis, UserId
from protocol.media import MediaId
from protocol.mentions import mentioned
from protocol.posting import HASHTAGS, MENTIONS, NewPost, PostMade
from protocol.posts import Author, PostId
from protocol.unset import or_none

WITHIN_S = 3.0
"""How long one call may take, the wait for a connection included."""


class Made(Struct, frozen=True, gc=False):
    """The post of a cid. `again`: an earlier request made it, whose digest this is, and `gone` says that it has been
    deleted since."""

    id: PostId
    digest: bytes
    again: bool = False
    gone: bool = False


class Unfit(Struct, frozen=True, gc=False):
    """There is something about the pictures: one is not there for this author, or cannot be shown; `why` names it."""

    what: Literal["missing", "rejected"]
    why: str


async def make(pool: Pool, author: UserId, new: NewPost) -> Made | Unfit:
    """The post with this cid of this author, made unless it is there, and published if all its pictures are ready.

    Raises `UnavailableError`: it may have been made.
    """
    caption, digest = text(new.caption), new.digest()

    async def attempt() -> Made | Unfit | None:
        async with transaction(pool, WITHIN_S) as connection:
            found = await connection.fetch(
                MAKE,
                int(author),
                new.cid,
                digest,
                [int(id) for id in new.media],
                caption,
                text(new.place),
                hashtags(caption or "", HASHTAGS),
                mentioned(caption or "", MENTIONS),
                [] if new.tags is UNSET else list({int(id) for id in new.tags}),
            )
            if found and found[0][0] == "made":
                await connection.fetch(PUBLISH, found[0][1], "processing")
        return _made(digest, *found[0]) if found else None

    return await once(attempt, Unfit)


def text(given: str | UnsetType) -> str | None:
    """What is stored of a text: none for an empty one."""
    return or_none(given) or None


def _made(asked: bytes, what: str, id: int, digest: bytes | None, more: str | None) -> Made | Unfit:
    """The first row of the statement MAKE."""
    match what:
        case "made":
            return Made(PostId(str(id)), asked)
        case "first":
            return Made(PostId(str(id)), digest or b"", again=True, gone=more == "deleted")
        case "missing":
            return Unfit("missing", f"media: there is no picture {id} of yours")
        case _:
            return Unfit("rejected", f"media {id} was rejected: {more or 'it cannot be shown'}")


async def stub(pool: Pool, id: PostId) -> PostMade:
    """What is left to tell of a post that is deleted. Raises `UnavailableError`."""
    [(author, username, name, at)] = await fetch(pool, WITHIN_S, STUB, int(id))
    shown = Author(UserId(str(author)), username, name or UNSET)
    return PostMade(id=id, author=shown, at=Millis(at), media=(), state="deleted", dup=True)


async def settle(pool: Pool, media: Sequence[MediaId]) -> None:
    """These pictures are ready, or rejected: so are the posts that waited for the last, or for any of them.

    Saying so again changes nothing. Raises `UnavailableError`.
    """
    waiting = await fetch(pool, WITHIN_S, AWAITING, [int(id) for id in media])
    for row in waiting:
        async with transaction(pool, WITHIN_S) as connection:
            await _settle(connection, row["id"])


async def _settle(connection: "PoolConnectionProxy[asyncpg.Record]", id: int) -> None:
    await connection.execute(HELD, id)
    await connection.execute(REJECT, id)
    await connection.execute(PUBLISH, id, "processing")
