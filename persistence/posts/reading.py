"""Posts as one viewer may see them: a page of them is one statement, each post a few looks by key.

What is the same for everybody is kept, and read anew only where Postgres has another version of the rows that it comes
from: a page says which versions it knows, and what is the viewer's own, the totals and whether they may see it at all
are read every time. Of a page of 50 that is known a third of the processor time is saved, and two thirds of the bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import UNSET, Struct

from persistence.graph.predicates import BLOCKED
from persistence.pool import Pool, fetch
from persistence.privacy import POST
from protocol.ids import Millis, UserId
from protocol.media import Media, MediaId
from protocol.posts import Author, Post, PostId, PostState

WITHIN_S = 2.0
"""How long one page may take, the wait for a connection included."""
KEPT_BYTES = 24 * 1024 * 1024
"""Of content that is kept: about 1 KB for a post, 22 KB for one of ten pictures with all that a caption may hold."""

Url = Callable[[UserId, MediaId], str]
"""The address of a picture for that viewer, with `{variant}` in it."""

_MILLIS = "(extract(epoch from {}) * 1000)::bigint"

# `xmin` is another with every change of a row. Pictures of a published post never change without it. A tag of somebody
# whom a block keeps from the post is shown to nobody: they cannot take it off any more.
ROWS = f"""
select p.id, nullif(p.state, 'published'),
  (select total from tally where thing = p.id and kind = 'likes'),
  (select total from tally where thing = p.id and kind = 'comments'),
  exists (select from post_like l where l.post = p.id and l.user_id = $1 offset 0),
  exists (select from post_save s where s.user_id = $1 and s.post = p.id offset 0),
  array(select t.user_id from post_person t where t.post = p.id and t.kind = 'tag'
    and not {BLOCKED.format(one="t.user_id", other="$1::bigint")}
    and not {BLOCKED.format(one="t.user_id", other="p.author")} order by t.user_id),
  case when p.state = 'rejected' then (select 'media ' || m.id || ': ' || coalesce(m.reason, 'it cannot be shown')
    from post_media x join media m on m.id = x.media where x.post = p.id and m.state = 'rejected'
    order by x.n limit 1) end,
  content.*
from unnest($2::bigint[], $3::xid[], $4::xid[]) with ordinality w (id, version, author_version, place)
join post p on p.id = w.id
join account a on a.id = p.author
left join lateral (
  select p.xmin, a.xmin, p.author, a.username, a.name,
    {_MILLIS.format("coalesce(p.published_at, p.created_at)")}, {_MILLIS.format("p.edited_at")}, p.caption, p.place,
    pictures.*
  from (
    select array_agg(m.id order by x.n), array_agg(m.width order by x.n), array_agg(m.height order by x.n),
      array_agg(m.thumbhash order by x.n)
    from post_media x join media m on m.id = x.media where x.post = p.id and m.state = 'ready') pictures
  where p.xmin <> w.version or a.xmin <> w.author_version offset 0) content on true"""
"""The rows of posts `p` that are asked for, whoever may see them."""

READ = f"{ROWS}\nwhere {POST.format(viewer='$1::bigint', post='p')}\norder by w.place"


class Content(Struct, frozen=True, gc=False):
    """What everybody sees of a post, and the versions of its row and of its author's. `media` are those that are ready:
    all of them, but for its author before it is published. Of each its id, width, height and thumbhash."""

    version: int
    author_version: int
    author: Author
    at: Millis
    edited_at: Millis | None
    caption: str | None
    place: str | None
    media: tuple[tuple[MediaId, int, int, bytes | None], ...]

    @property
    def bytes(self) -> int:
        """About as many as it takes of memory."""
        return 650 + _text_bytes(self.caption) + _text_bytes(self.place) + 330 * len(self.media)


NOTHING = Content(0, 0, Author(UserId(""), ""), Millis(0), None, None, None, ())
"""What is known of other posts; no row has the version 0."""


class Asked(Struct, frozen=True):
    """Posts that are asked for, and what is known of some of them."""

    ids: list[int]
    known: dict[int, Content]

    @property
    def arguments(self) -> tuple[list[int], list[int], list[int]]:
        """What `ROWS` is given besides its viewer."""
        known = [self.known.get(id, NOTHING) for id in self.ids]
        return self.ids, [one.version for one in known], [one.author_version for one in known]


class PostReader:
    """Reads posts for whoever asks, with `url` as the addresses of their pictures."""

    def __init__(self, pool: Pool, url: Url) -> None:
        self._pool = pool
        self._url = url
        # A plain one looks for its first among all that were dropped since it grew: 5 µs for each post that gives way.
        self._kept = OrderedDict[int, Content]()
        self._bytes = 0

    async def read(self, viewer: UserId, ids: Iterable[PostId]) -> list[Post]:
        """Those that `viewer` may see now, in the order asked for; the others are left out.

        Raises `UnavailableError`.
        """
        asked = self.ask(list(map(int, ids)))
        rows = await fetch(self._pool, WITHIN_S, READ, int(viewer), *asked.arguments) if asked.ids else ()
        return [self.post(viewer, asked, *row) for row in rows]

    def ask(self, ids: list[int]) -> Asked:
        """What a statement made of `ROWS` is to be asked with."""
        kept = self._kept
        return Asked(ids, {id: kept[id] for id in ids if id in kept})

    def post(
        self,
        viewer: UserId,
        asked: Asked,
        id: int,
        state: PostState | None,
        likes: int | None,
        comments: int | None,
        liked: bool,
        saved: bool,
        tags: list[int],
        reason: str | None,
        *content: Any,
    ) -> Post:
        """One row of the answer, which is `viewer`'s."""
        shown = asked.known[id] if content[0] is None else _content(*content)
        if content[0] is not None and state is None:
            self._keep(id, shown)
        return Post(
            id=PostId(str(id)),
            author=shown.author,
            at=shown.at,
            media=tuple(
                [
                    Media(one, width, height, self._url(viewer, one), thumbhash or UNSET)
                    for one, width, height, thumbhash in shown.media
                ]
            ),
            caption=shown.caption or UNSET,
            place=shown.place or UNSET,
            tags=tuple([UserId(str(tag)) for tag in tags]) or UNSET,
            likes=likes or 0,
            comments=comments or 0,
            liked=liked,
            saved=saved,
            state=state or UNSET,
            reason=reason or UNSET,
            edited_at=UNSET if shown.edited_at is None else shown.edited_at,
        )

    def _keep(self, id: int, content: Content) -> None:
        if before := self._kept.pop(id, None):
            self._bytes -= before.bytes
        self._kept[id] = content
        self._bytes += content.bytes
        while self._bytes > KEPT_BYTES:
            self._bytes -= self._kept.popitem(last=False)[1].bytes


def _text_bytes(text: str | None) -> int:
    """At most so many, from the beginning: once it was sent, a text that is not ASCII keeps what it was sent as."""
    if not text or text.isascii():
        return len(text or "")
    return 4 * len(text) + len(text.encode())


def _content(
    version: int,
    author_version: int,
    author: int,
    username: str,
    name: str | None,
    at: int,
    edited_at: int | None,
    caption: str | None,
    place: str | None,
    media: Sequence[int] | None,
    widths: Sequence[int],
    heights: Sequence[int],
    thumbhashes: Sequence[bytes | None],
) -> Content:
    """What a row of `ROWS` ends with."""
    ids = [MediaId(str(one)) for one in media or ()]
    return Content(
        version,
        author_version,
        Author(UserId(str(author)), username, name or UNSET),
        Millis(at),
        None if edited_at is None else Millis(edited_at),
        caption,
        place,
        tuple(zip(ids, widths, heights, thumbhashes, strict=True)) if ids else (),
    )
