"""People, pictures and stories in a database of a test's own, and a clock of the database that the test sets."""

import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg

from persistence.outbox.contract import Event
from persistence.pool import Pool, open_pool
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import TrayChanged
from protocol.media import MediaId
from protocol.stories import NewStory, Story
from protocol.trays import StoryId
from server.media.addresses import MediaAddresses
from server.stories.answering import Answering
from server.stories.posting import StoryPosting
from server.stories.showing import StoryShowing
from server.stories.telling import Telling
from tests.pictures import brought

START = datetime(2026, 11, 22, 12, 0, 0, 123_000, UTC)
DAY = timedelta(hours=24)

# Looked up before what Postgres itself calls so: every statement of a pool made by `timed` asks this clock.
CLOCK = """
create schema set_clock;
create table set_clock.reading (at timestamptz not null);
insert into set_clock.reading values (now());
create function set_clock.statement_timestamp() returns timestamptz stable language sql
  as 'select at from set_clock.reading'"""
SEARCH = {"search_path": "set_clock, pg_catalog, public"}

_numbers = itertools.count(1)


class StoryGround:
    """One node's stories on `pool`, whose own clock is `skew_ms` wrong. `told` is what devices hear, in order."""

    def __init__(self, pool: Pool, skew_ms: int = 0) -> None:
        self.pool = pool
        self.told: list[tuple[frozenset[str], TrayChanged]] = []
        self.added: list[tuple[str, bytes]] = []
        self.store = PostgresStories(pool)
        self.moving = PostgresMovingStories(pool)
        self.addresses = MediaAddresses([("1", b"k" * 32)], lambda: Millis(skew_ms))
        self.telling = Telling(self.moving, self._deliver, self._add, lambda: None, most=10_000)
        self.answering = Answering(self.store, lambda user, event: self._hear([user], event), self._open)
        self.posting = StoryPosting(self.store, StoryShowing(self.addresses), lambda: None)

    @property
    def heard(self) -> list[tuple[set[str], str, str]]:
        """Who was told, of what, of which story."""
        return [(set(users), event.change, event.stories[0].id) for users, event in self.told]

    def _deliver(self, audience: Iterable[tuple[str, str | int]], event: TrayChanged) -> None:
        self._hear([str(key) for _, key in audience], event)

    def _hear(self, users: Iterable[str], event: TrayChanged) -> None:
        self.told.append((frozenset(users), event))

    async def _add(self, topic: str, bodies: Iterable[bytes]) -> None:
        self.added += [(topic, body) for body in bodies]

    async def _open(self, user: UserId, other: UserId) -> ConversationId:
        return ConversationId("77")

    async def person(self, *, private: bool = False) -> UserId:
        """Somebody new."""
        number = next(_numbers)
        id = number << 10
        await self.pool.execute(
            "insert into account (id, username, private) values ($1, $2, $3)", id, f"person{number}", private
        )
        return UserId(str(id))

    async def follow(self, follower: UserId, followee: UserId, *, requested: bool = False) -> None:
        await self.pool.execute(
            "insert into follow (follower, followee, requested) values ($1, $2, $3)",
            int(follower),
            int(followee),
            requested,
        )

    async def unfollow(self, follower: UserId, followee: UserId) -> None:
        await self.pool.execute(
            "delete from follow where follower = $1 and followee = $2", int(follower), int(followee)
        )

    async def relate(self, user: UserId, kind: str, target: UserId, *, on: bool = True) -> None:
        if on:
            statement = "insert into relation (user_id, kind, target) values ($1, $2, $3)"
        else:
            statement = "delete from relation where user_id = $1 and kind = $2 and target = $3"
        await self.pool.execute(statement, int(user), kind, int(target))

    async def picture(self, owner: UserId, state: str = "ready") -> MediaId:
        """A picture of theirs."""
        return await brought(self.pool, owner, state)

    async def settle(self, media: str, state: str) -> None:
        """Its processing ends."""
        await self.pool.execute("update media set state = $2 where id = $1", int(media), state)
        await self.moving.settle([media])

    async def post(
        self, author: UserId, audience: Literal["all", "close_friends"] = "all", media: str | None = None
    ) -> StoryId:
        """A story that is there at once, unless its picture is not ready."""
        new = NewStory(f"cid {next(_numbers)}", media or await self.picture(author), audience)  # type: ignore[arg-type]
        made = await self.posting.create(author, new)
        assert isinstance(made, Story), made
        return made.id

    async def hear(self) -> None:
        """The outbox is handled: what was told of stories."""
        rows = await self.pool.fetch("delete from outbox where topic = 'story' returning id, body")
        await self.telling.moved([Event(row["id"], Millis(0), row["body"]) for row in rows])

    async def tray(self, user: UserId) -> list[tuple[UserId, list[StoryId]]]:
        """Authors and their stories."""
        entries = (await self.answering.first_tray(user)).items
        return [(entry.author, [story.id for story in entry.stories]) for entry in entries]


@asynccontextmanager
async def timed(database: str) -> AsyncIterator[Pool]:
    """A pool whose every statement takes the time from the clock that `set_clock` sets, to the microsecond."""
    connection = await asyncpg.connect(database)
    await connection.execute(CLOCK)
    await connection.close()
    async with open_pool(database, 2, settings=SEARCH) as pool:
        yield pool


async def set_clock(pool: Pool, at: datetime) -> None:
    await pool.execute("update set_clock.reading set at = $1", at)
