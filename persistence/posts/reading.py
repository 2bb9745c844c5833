"""Posts as one viewer may see them: a page of them is one statement, each post a few looks by key."""

from collections.abc import Sequence

from msgspec import Struct

from persistence.graph.predicates import BLOCKED
from persistence.media.rows import Picture
from persistence.pool import Pool, fetch
from persistence.privacy import POST
from protocol.ids import Millis, UserId
from protocol.media import MediaId
from protocol.posts import PostId, PostState

WITHIN_S = 2.0
"""How long one page may take, the wait for a connection included."""


class Shown(Struct, frozen=True, gc=False):
    """One post as its viewer may see it now. `likes` and `comments` are folded totals; `liked` and `saved` are the
    viewer's own, exact. `media` are those that are ready: all of them, but for its author before it is published.
    `reason` is why it was rejected."""

    id: PostId
    author: UserId
    username: str
    name: str | None
    state: PostState
    at: Millis
    edited_at: Millis | None
    caption: str | None
    place: str | None
    media: tuple[Picture, ...]
    tags: tuple[UserId, ...]
    likes: int
    comments: int
    liked: bool
    saved: bool
    reason: str | None


_MILLIS = "(extract(epoch from {}) * 1000)::bigint"

READ = f"""
select p.id, p.author, a.username, a.name, p.state, {_MILLIS.format("coalesce(p.published_at, p.created_at)")},
  {_MILLIS.format("p.edited_at")}, p.caption, p.place,
  pictures.ids, pictures.widths, pictures.heights, pictures.thumbhashes,
  array(select t.user_id from post_person t where t.post = p.id and t.kind = 'tag'
    and not {BLOCKED.format(one="t.user_id", other="$1::bigint")} order by t.user_id),
  (select total from tally where thing = p.id and kind = 'likes'),
  (select total from tally where thing = p.id and kind = 'comments'),
  exists (select from post_like l where l.post = p.id and l.user_id = $1 offset 0),
  exists (select from post_save s where s.user_id = $1 and s.post = p.id offset 0),
  case when p.state = 'rejected' then (select 'media ' || m.id || ': ' || coalesce(m.reason, 'it cannot be shown')
    from post_media x join media m on m.id = x.media where x.post = p.id and m.state = 'rejected'
    order by x.n limit 1) end
from unnest($2::bigint[]) with ordinality w (id, place)
join post p on p.id = w.id
join account a on a.id = p.author
cross join lateral (
  select array_agg(m.id order by x.n) as ids, array_agg(m.width order by x.n) as widths,
    array_agg(m.height order by x.n) as heights, array_agg(m.thumbhash order by x.n) as thumbhashes
  from post_media x join media m on m.id = x.media where x.post = p.id and m.state = 'ready') pictures
where {POST.format(viewer="$1::bigint", post="p")}
order by w.place"""


async def read_posts(pool: Pool, viewer: UserId, ids: Sequence[PostId], statement: str = READ) -> list[Shown]:
    """Those of these posts that `viewer` may see now, in the order asked for; the others are left out.

    `statement` is READ, or one made of it that leaves out more.

    Raises `UnavailableError`.
    """
    found = await fetch(pool, WITHIN_S, statement, int(viewer), list(map(int, ids))) if ids else []
    return [_shown(*row) for row in found]


def _shown(
    id: int,
    author: int,
    username: str,
    name: str | None,
    state: PostState,
    at: int,
    edited_at: int | None,
    caption: str | None,
    place: str | None,
    media: list[int] | None,
    widths: list[int],
    heights: list[int],
    thumbhashes: list[bytes | None],
    tags: list[int],
    likes: int | None,
    comments: int | None,
    liked: bool,
    saved: bool,
    reason: str | None,
) -> Shown:
    """One row of the statement READ."""
    pictures = zip(media, widths, heights, thumbhashes, strict=True) if media else ()
    return Shown(
        PostId(str(id)),
        UserId(str(author)),
        username,
        name,
        state,
        Millis(at),
        None if edited_at is None else Millis(edited_at),
        caption,
        place,
        tuple(Picture(MediaId(str(one)), width, height, thumbhash) for one, width, height, thumbhash in pictures),
        tuple(UserId(str(tag)) for tag in tags) if tags else (),
        likes or 0,
        comments or 0,
        liked,
        saved,
        reason,
    )
