"""Posts as they are shown (docs/protocol.md §9)."""

from typing import Literal, NewType

from msgspec import UNSET, Struct, UnsetType

from protocol.ids import Millis, UserId
from protocol.media import Media

PostId = NewType("PostId", str)

PostState = Literal["processing", "published", "rejected", "archived", "deleted"]


class Author(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whose it is."""

    user: UserId
    username: str
    name: str | UnsetType = UNSET


class Post(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One post as the caller sees it: `liked` and `saved` are their own, exact at once; `likes` and `comments` are
    totals that are at most 5 s old. `state` is told to the author alone, and left out when it is published; `reason`
    is why it was rejected. `deleted` is told only to who repeats the request that made it. `at` is when it was
    published, or made while it is not yet. `media` are those that are ready, which before it is published may not be
    all."""

    id: PostId
    author: Author
    at: Millis
    media: tuple[Media, ...]
    caption: str | UnsetType = UNSET
    place: str | UnsetType = UNSET
    tags: tuple[UserId, ...] | UnsetType = UNSET
    likes: int = 0
    comments: int = 0
    liked: bool = False
    saved: bool = False
    state: PostState | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    edited_at: Millis | UnsetType = UNSET


class Posts(Struct, frozen=True, gc=False):
    """A page of posts; `next` is there when it goes on."""

    items: list[Post]
    next: str | UnsetType = UNSET


POST = "post"
"""The topic of the outbox under which posts that come and go are told, as the MessagePack of `PostMoved`."""


class PostMoved(Struct, frozen=True, gc=False):
    """A post became visible to others, or is not any more."""

    post: PostId
    author: UserId
    change: Literal["published", "removed"]
    at: Millis
