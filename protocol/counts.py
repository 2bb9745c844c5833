"""Counts of posts on screen (docs/protocol.md §6)."""

from msgspec import Struct

from protocol.posts import PostId


class PostCount(Struct, frozen=True, gc=False):
    """Totals of a post, at most 5 s old."""

    post: PostId
    likes: int
    comments: int


class PostCounts(Struct, frozen=True, gc=False):
    """`ok` of `post.watch`: those of the posts that I may see."""

    posts: tuple[PostCount, ...]
