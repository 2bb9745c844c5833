"""Stories in Postgres, as people post and see them."""

from collections.abc import Sequence
from typing import Literal

import asyncpg
from msgspec import Struct

from persistence.cursors import cursor, read_cursor
from persistence.once import once
from persistence.pool import Pool, fetch
from persistence.stories import statements
from persistence.stories.rows import Reacting, Shown, View, entry, reacting, shown, viewer
from protocol.ids import Millis, UserId, shard_of
from protocol.stories import Viewers
from protocol.trays import StoryId, TrayEntry, TrayStory

WITHIN_S = 2.0
"""How long one call may take, the wait for a connection included."""

StoryRefusal = Literal["no media", "rejected", "too many"]
"""Why a story is not made. `too many`: as many as there may be at once are there."""


class Made(Struct, frozen=True, gc=False):
    """A story that this request, or an earlier one with its cid, has made; `digest` is that of the first."""

    id: StoryId
    digest: bytes
    again: bool


class PostgresStories:
    """Every method raises `UnavailableError`. What a viewer may not see now does not exist for them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self, author: UserId, cid: str, digest: bytes, media: str, *, close_friends: bool
    ) -> Made | StoryRefusal:
        """A story of the author's own picture; it is published when that is ready."""
        arguments = int(author), cid, digest, int(media), close_friends, shard_of(author)

        async def attempt() -> Made | StoryRefusal | None:
            return _made(digest, *(await self._rows(statements.CREATE, *arguments))[0])

        return await once(attempt, str)

    async def delete(self, author: UserId, id: StoryId) -> bool:
        """Whether it is, or was, one of theirs; to say so again changes nothing."""
        return bool(await self._rows(statements.DELETE, int(author), int(id)))

    async def get(self, viewer: UserId, id: StoryId) -> Shown | None:
        """One story."""
        rows = await self._rows(statements.GET, int(viewer), int(id))
        return shown(rows[0]) if rows else None

    async def of(self, viewer: UserId, author: UserId) -> list[Shown] | None:
        """Somebody's stories that are there now, in their order. None: nobody is there for the viewer."""
        rows = await self._rows(statements.OF, int(viewer), int(author))
        if not rows and not await self._rows(statements.IS_THERE, int(viewer), int(author)):
            return None
        return [shown(row) for row in rows]

    async def archive(self, author: UserId, before: str | None, limit: int) -> list[Shown]:
        """The author's own, the newest first, below the id `before`."""
        below = 2**63 - 1 if before is None else int(before)
        return [shown(row) for row in await self._rows(statements.ARCHIVE, int(author), below, limit)]

    async def see(self, viewer: UserId, id: StoryId) -> View | None:
        """Note that it was seen; once is for ever, and the author's own seeing is none."""
        rows = await self._rows(statements.SEE, int(viewer), int(id))
        if not rows:
            return None
        author, expires_at, close_friends, fresh = rows[0]
        return View(UserId(str(author)), TrayStory(id, Millis(expires_at), close_friends), fresh)

    async def react(self, viewer: UserId, id: StoryId, emoji: str, cid: str) -> Reacting | None:
        """Note the reaction if the story is there for the viewer and of somebody else, and the author has no message of
        theirs by this cid. None: there is no such story."""
        rows = await self._rows(statements.REACT, int(viewer), int(id), emoji, cid)
        return reacting(rows[0]) if rows else None

    async def viewers(self, author: UserId, id: StoryId, before: str | None, limit: int) -> Viewers | None:
        """Who has seen a story of the author's. None: it is none of theirs. Raises ValueError: no cursor."""
        at, after = read_cursor(before)
        rows = await self._rows(statements.VIEWERS, int(author), int(id), at, after, limit + 1)
        if not rows:
            return None
        newest, there, about, first, *_ = rows[0]
        exact = newest <= statements.NEWEST_VIEWERS
        items = [viewer(row[3:]) for row in rows[:limit] if first is not None]
        count = there if exact else max(about, newest)
        if len(rows) <= limit:
            return Viewers(count, exact, items)
        return Viewers(count, exact, items, cursor(rows[limit - 1]["at"], items[-1].user))

    async def tray(self, viewer: UserId) -> list[TrayEntry]:
        """Whose stories there are, in the tray's order."""
        return [entry(row) for row in await self._rows(statements.MY_TRAY, int(viewer))]

    async def tray_of(self, viewer: UserId, author: UserId) -> TrayEntry | None:
        """What there is of one author in the viewer's tray."""
        rows = await self._rows(statements.TRAY_OF, int(viewer), int(author))
        return entry(rows[0]) if rows else None

    async def _rows(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments)


def _made(
    asked: bytes, known: int | None, digest: bytes | None, made: int | None, picture: str | None, many: bool
) -> Made | StoryRefusal | None:
    """The row of the statement CREATE. None: another request with this cid is under way, or the id was taken."""
    if known is not None:
        return Made(StoryId(str(known)), digest or b"", again=True)
    if made is not None:
        return Made(StoryId(str(made)), asked, again=False)
    if picture is None or picture == "rejected":
        return "rejected" if picture else "no media"
    return "too many" if many else None
