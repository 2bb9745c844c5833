"""Stories that begin and end, and who is told of it."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence

import asyncpg
from msgspec import Struct

from persistence.pool import Pool, always, fetch
from persistence.stories import statements
from persistence.stories.clearing import clear
from protocol.ids import Millis, UserId
from protocol.stories import StoryShared
from protocol.trays import StoryId, TrayStory

WITHIN_S = 2.0
SLICE = 1_000
"""People who are read at once."""


class Moved(Struct, frozen=True, gc=False):
    """What has become of a story: it is `there` for its audience, or `deleted`, or over; `recent`: it began or was
    deleted just now. `followers` are counted up to what was asked for."""

    author: UserId
    story: TrayStory
    there: bool
    deleted: bool
    recent: bool
    followers: int


class Audience(Struct, frozen=True, gc=False):
    """Some of those a story is meant for who follow its author; `listening` without those who mute them."""

    users: tuple[UserId, ...]
    listening: tuple[UserId, ...]


class PostgresMovingStories:
    """Every method raises `UnavailableError`. `may`: whether this node may ask and write at all."""

    def __init__(self, pool: Pool, may: Callable[[], bool] = always) -> None:
        self._pool = pool
        self._may = may

    async def settle(self, media: Collection[str]) -> None:
        """Publish the stories that have waited for these pictures, or reject them; a repeat changes nothing."""
        await self._rows(statements.PUBLISH, [int(id) for id in media])

    async def look(self, ids: Collection[StoryId], most: int) -> list[Moved]:
        """Those of these stories that were published, with their authors' followers counted up to `most` each."""
        return [
            Moved(
                UserId(str(row["author"])),
                TrayStory(StoryId(str(row["id"])), Millis(row["expires_at"]), row["close_friends"]),
                row["there"],
                row["deleted"],
                row["recent"],
                row["followers"],
            )
            for row in await self._rows(statements.LOOK, list(map(int, ids)), most)
        ]

    async def audience(self, moved: Moved, *, there: bool) -> AsyncIterator[Audience]:
        """In slices, whom a story is meant for; with `there` only while they may see it."""
        statement = statements.AUDIENCE[moved.story.close_friends, there]
        place = (-(2**53), 0)
        while rows := await self._rows(statement, int(moved.story.id), *place, SLICE):
            users = tuple(UserId(str(user)) for user, _, meant, _ in rows if meant)
            listening = tuple(UserId(str(user)) for user, _, meant, muted in rows if meant and not muted)
            yield Audience(users, listening)
            if len(rows) < SLICE:
                return
            place = rows[-1][1], rows[-1][0]

    async def end(self, limit: int) -> list[StoryId]:
        """Those that are over, whose end nobody has told yet: whoever asks tells it."""
        return [StoryId(str(id)) for (id,) in await self._rows(statements.END, limit)]

    async def next_end_s(self) -> float | None:
        """In how many seconds the next one is over; None when there is none."""
        rows = await self._rows(statements.NEXT_END)
        return rows[0][0] if rows else None

    async def close_ones(self, author: UserId) -> tuple[TrayStory, ...]:
        """The author's stories for close friends that are there now."""
        rows = await self._rows(statements.CLOSE, int(author))
        return tuple(TrayStory(StoryId(str(id)), Millis(end), close_friends=True) for id, end in rows)

    async def clear(self) -> bool:
        """Clear away some of what a deleted story has left; False: there is nothing."""
        return await clear(self._pool)

    async def has_any(self, author: UserId) -> bool:
        """Some story of theirs is there now."""
        return bool(await self._rows(statements.HAS_ANY, int(author)))

    async def addressed(self, shared: Sequence[StoryShared]) -> list[tuple[StoryShared, UserId]]:
        """Those that were sent to the story's author in their conversation of two, and the author."""
        columns = [int(one.story) for one in shared], [int(one.conversation) for one in shared]
        found = await self._rows(statements.ADDRESSED, *columns, [int(one.sender) for one in shared])
        return [(shared[n - 1], UserId(str(author))) for n, author in found]

    async def _rows(self, statement: str, *arguments: object) -> Sequence[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments, may=self._may)
