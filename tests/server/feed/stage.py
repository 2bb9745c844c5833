"""People who post and follow, in the database itself: a feed has no other beginnings."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg
import msgspec

from persistence.feed.places import Place
from protocol.ids import Millis, UserId
from protocol.posts import POST, PostId, PostMoved

START = datetime(2026, 11, 1, tzinfo=UTC)

_numbers = itertools.count(1)


def place(post: PostId, published_at: datetime) -> Place:
    """Where it stands in every feed."""
    return Place(round((published_at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)), int(post))


class People:
    """Makes accounts, edges and posts with one picture each."""

    def __init__(self, database: "asyncpg.Connection | asyncpg.Pool[asyncpg.Record]") -> None:
        self.database = database

    async def person(self, *, private: bool = False) -> UserId:
        id = await self.database.fetchval("select next_id(7)")
        await self.database.execute(
            "insert into account (id, username, private) values ($1, $2, $3)",
            id,
            f"feed{next(_numbers)}_{id % 997}",
            private,
        )
        return UserId(str(id))

    async def people(self, count: int) -> list[UserId]:
        return [await self.person() for _ in range(count)]

    async def follow(self, follower: UserId, *followees: UserId) -> None:
        for followee in followees:
            await self.database.execute(
                """insert into follow (follower, followee) values ($1, $2)
                on conflict (follower, followee) do update set requested = false, at = statement_timestamp()""",
                int(follower),
                int(followee),
            )

    async def unfollow(self, follower: UserId, followee: UserId) -> None:
        await self.database.execute(
            "delete from follow where follower = $1 and followee = $2", int(follower), int(followee)
        )

    async def relate(self, user: UserId, kind: str, target: UserId) -> None:
        await self.database.execute(
            "insert into relation (user_id, kind, target) values ($1, $2, $3)", int(user), kind, int(target)
        )

    async def post(self, author: UserId, at: datetime | None = None, caption: str | None = None) -> PostId:
        """A post that is published; nobody is told."""
        return (await self.posts(author, 1, at, caption))[0]

    async def posts(
        self, author: UserId, count: int, at: datetime | None = None, caption: str | None = None
    ) -> list[PostId]:
        """So many, a second apart, the oldest first; the first at that time, or now."""
        rows = await self.database.fetch(
            """with made as materialized (
              select next_id(7) as id, next_id(7) as media, n from generate_series(0, $2 - 1) n),
            pictures as (
              insert into media (id, owner, state, bytes, width, height, thumbhash, due_at)
              select media, $1, 'ready', 1, 640, 480, '\\x0102', null from made),
            shown as (insert into post_media (post, n, media) select id, 1, media from made)
            insert into post (id, author, cid, digest, state, caption, published_at)
            select id, $1, id::text, '', 'published', $4, coalesce($3, statement_timestamp()) + n * interval '1 second'
            from made order by n returning id""",
            int(author),
            count,
            at,
            caption,
        )
        return [PostId(str(row["id"])) for row in rows]

    async def set_state(self, post: PostId, state: str) -> None:
        await self.database.execute("update post set state = $2 where id = $1", int(post), state)

    async def tell(self, post: PostId, author: UserId) -> None:
        """The outbox has that it was published."""
        await self.database.execute("insert into outbox (topic, body) values ($1, $2)", POST, moved(post, author))


def moved(post: PostId, author: UserId, change: Literal["published", "removed"] = "published") -> bytes:
    """The event of a post that was published, or is gone."""
    return msgspec.msgpack.encode(PostMoved(post, author, change, Millis(0)))
