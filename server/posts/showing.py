"""Posts as they are answered: what was read, with addresses under which its viewer gets the pictures."""

from collections.abc import Callable, Sequence

from msgspec import UNSET

from persistence.pool import Pool
from persistence.posts.reading import Shown, read_posts
from protocol.ids import UserId
from protocol.media import MediaId
from protocol.posts import Author, Post, PostId
from protocol.unset import or_unset
from server.media import showing

Url = Callable[[UserId, MediaId], str]
"""The address of a picture for that viewer, with `{variant}` in it."""


class PostShowing:
    """Shows posts to whoever asks; `url` makes the addresses of their pictures."""

    def __init__(self, pool: Pool, url: Url) -> None:
        self._pool = pool
        self._url = url

    async def posts(self, viewer: UserId, ids: Sequence[PostId]) -> list[Post]:
        """Those that `viewer` may see now, in the order asked for. Raises `UnavailableError`."""
        return [shown(viewer, post, self._url) for post in await read_posts(self._pool, viewer, ids)]


def shown(viewer: UserId, post: Shown, url: Url) -> Post:
    """The post as `viewer`, for whom it was read, is told of it."""
    return Post(
        id=post.id,
        author=Author(post.author, post.username, post.name or UNSET),
        at=post.at,
        media=tuple(showing.shown(one, url(viewer, one.id)) for one in post.media),
        caption=post.caption or UNSET,
        place=post.place or UNSET,
        tags=post.tags or UNSET,
        likes=post.likes,
        comments=post.comments,
        liked=post.liked,
        saved=post.saved,
        state=UNSET if post.state == "published" else post.state,
        reason=post.reason or UNSET,
        edited_at=or_unset(post.edited_at),
    )
