"""People and posts as bare rows, and what was told of what they did."""

import itertools

import msgspec

from persistence.pool import Pool, fetch
from persistence.tallies.fragments import EXACT, FOLDED
from protocol.activity import Activity
from protocol.ids import UserId
from protocol.posts import PostId

_numbers = itertools.count(1)

_PEOPLE = "insert into account (id, username) select id, 'u' || id from unnest($1::bigint[]) w (id)"
_POST = """
insert into post (id, author, cid, digest, state, published_at)
values ($1::bigint, $2, $1::bigint::text, '', 'published', statement_timestamp())"""
_TOLD = "delete from outbox returning id, body"
_COUNTS = f"""
select {FOLDED.format(thing="t", kind="likes")}, {EXACT.format(thing="t", kind="likes")},
  {FOLDED.format(thing="t", kind="comments")}, {EXACT.format(thing="t", kind="comments")},
  (select count(*) from post_like where post = t) + (select count(*) from comment_like where comment = t),
  (select count(*) from comment where (post = t or parent = t) and deleted_at is null)
from (select $1::bigint as t) x"""


class Counts(msgspec.Struct, frozen=True):
    """Of one thing: folded totals, exact ones, and the edges that there are."""

    folded_likes: int
    likes: int
    folded_comments: int
    comments: int
    edges: int
    remarks: int


async def people(pool: Pool, count: int) -> list[UserId]:
    """Somebody new each."""
    ids = [UserId(str((next(_numbers) << 30) + n * 1_024)) for n in range(count)]
    await fetch(pool, 2.0, _PEOPLE, [int(id) for id in ids])
    return ids


async def post(pool: Pool, author: UserId) -> PostId:
    """A new post that all may see."""
    id = (next(_numbers) << 30) + 1
    await fetch(pool, 2.0, _POST, id, int(author))
    return PostId(str(id))


async def relate(pool: Pool, user: UserId, kind: str, target: UserId) -> None:
    statement = "insert into relation (user_id, kind, target) values ($1, $2, $3)"
    await fetch(pool, 2.0, statement, int(user), kind, int(target))


async def told(pool: Pool) -> list[Activity]:
    """All activities since this was asked last, in their order."""
    found = await fetch(pool, 2.0, _TOLD)
    return [msgspec.msgpack.decode(body, type=Activity) for _, body in sorted(map(tuple, found))]


async def counted(pool: Pool, thing: str) -> Counts:
    [row] = await fetch(pool, 2.0, _COUNTS, int(thing))
    return Counts(*row)
