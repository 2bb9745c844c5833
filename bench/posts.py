"""Posts and followers as the database has them: what feeds are measured on, without uploads in between."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from protocol.ids import Millis, UserId
from protocol.posts import POST, PostId, PostMoved

# Ids of one shard repeat after 1,024 in a millisecond: pictures take another one.
_POSTS = """
with made as materialized (
  select author, next_id(7) as id, next_id(8) as media, n
  from unnest($1::bigint[]) author, generate_series(1, $2::int) n),
pictures as (
  insert into media (id, owner, state, bytes, width, height, thumbhash, due_at)
  select media, author, 'ready', 1, 1080, 1350, '\\x3fd7080b0280877f7977f83878788877875f5007f8', null from made),
shown as (insert into post_media (post, n, media) select id, 1, media from made),
posts as (
  insert into post (id, author, cid, digest, state, caption, published_at)
  select id, author, id::text, '', 'published', repeat('A walk by the sea. ', 5),
    statement_timestamp() - (n - 1) * interval '1 minute' from made returning id, author)
select id, author from posts"""
_PICTURE = """
insert into media (id, owner, state, bytes, width, height, thumbhash, due_at)
values (next_id(8), $1, 'ready', 1, 1080, 1350, '\\x3fd7080b0280877f7977f83878788877875f5007f8', null) returning id"""
_EDGES = """
insert into follow (follower, followee)
select n, $1 from generate_series($2::bigint, $3::bigint) n on conflict do nothing"""


async def connect(url: str) -> asyncpg.Connection:
    """For statements that may take minutes."""
    return await asyncpg.connect(url, server_settings={"statement_timeout": "300s", "application_name": "bench"})


async def seed_posts(connection: asyncpg.Connection, authors: Sequence[str], each: int) -> list[str]:
    """So many posts of each author, a minute apart, which nobody is told of; their ids."""
    return [str(row["id"]) for author in authors for row in await connection.fetch(_POSTS, [int(author)], each)]


async def follow(connection: asyncpg.Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Followers and whom they follow."""
    edges = [(int(follower), int(followee)) for follower, followee in pairs]
    await connection.copy_records_to_table("follow", columns=("follower", "followee"), records=edges)


async def crowd_after(connection: asyncpg.Connection, author: str, count: int) -> None:
    """So many followers who have nothing but the edge."""
    for start in range(1, count + 1, 100_000):
        await connection.execute(_EDGES, int(author), start, min(start + 99_999, count))


async def picture(connection: asyncpg.Connection, owner: str) -> str:
    """A picture of theirs that is ready; its id."""
    return str(await connection.fetchval(_PICTURE, int(owner)))


async def publish(connection: asyncpg.Connection, author: str) -> str:
    """One post, told through the outbox as whoever publishes does, in one transaction. Its id."""
    async with connection.transaction():
        [row] = await connection.fetch(_POSTS, [int(author)], 1)
        post = PostId(str(row["id"]))
        moved = PostMoved(post, UserId(author), "published", Millis(0))
        await connection.execute(
            "insert into outbox (topic, body) values ($1, $2)", POST, msgspec.msgpack.encode(moved)
        )
        return post


async def fanned_out_ms(connection: asyncpg.Connection, post: str) -> float | None:
    """From the publication to the end of the fan-out, by the database's clock; None while it goes on."""
    seconds = await connection.fetchval(
        """select extract(epoch from f.done_at - p.published_at)::float8
        from fanout f join post p on p.id = f.post where f.post = $1 and f.done_at is not null""",
        int(post),
    )
    return None if seconds is None else 1e3 * float(seconds)
