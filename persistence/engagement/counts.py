"""Counts of posts that are on many screens: read once for all of them, and shown to whom may see the post now."""

from collections.abc import Collection, Sequence

from persistence.pool import Pool, fetch
from persistence.privacy import POST
from persistence.tallies.fragments import FOLDED
from protocol.counts import PostCount
from protocol.ids import UserId
from protocol.posts import PostId

WITHIN_S = 2.0

_COUNTED = f"p.id, {FOLDED.format(thing='p.id', kind='likes')}, {FOLDED.format(thing='p.id', kind='comments')}"
COUNTS = f"""
select {_COUNTED}, p.state = 'published' as published from unnest($1::bigint[]) w (id) join post p on p.id = w.id"""
MINE = f"""
select {_COUNTED} from unnest($2::bigint[]) with ordinality w (id, place) join post p on p.id = w.id
where {POST.format(viewer="$1::bigint", post="p")} order by w.place"""
SEEN = f"""
select w.n from unnest($1::bigint[], $2::bigint[]) with ordinality w (viewer, post, n) join post p on p.id = w.post
where {POST.format(viewer="w.viewer", post="p")}"""


async def counts(pool: Pool, posts: Collection[PostId]) -> dict[PostId, tuple[PostCount, bool]]:
    """Folded totals of those that there are, and whether each is there for others than its author. Raises
    `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, COUNTS, [int(post) for post in posts])
    return {(count := _count(*row)).post: (count, published) for *row, published in found}


async def counts_for(pool: Pool, viewer: UserId, posts: Collection[PostId]) -> list[PostCount]:
    """Folded totals of those that `viewer` may see now, in the order asked for. Raises `UnavailableError`."""
    found = await fetch(pool, WITHIN_S, MINE, int(viewer), [int(post) for post in posts])
    return [_count(*row) for row in found]


async def seen(pool: Pool, pairs: Sequence[tuple[UserId, PostId]]) -> set[int]:
    """The places of those pairs in which that viewer may see that post now. Raises `UnavailableError`."""
    viewers, posts = [int(viewer) for viewer, _ in pairs], [int(post) for _, post in pairs]
    return {row["n"] - 1 for row in await fetch(pool, WITHIN_S, SEEN, viewers, posts)}


def _count(post: int, likes: int, comments: int) -> PostCount:
    return PostCount(PostId(str(post)), likes, comments)
