"""Likes, saves and comments over HTTP, and the counts of posts on screen (docs/protocol.md §6, §9)."""

from msgspec import Struct


class PostMarks(Struct, frozen=True, gc=False):
    """How a post stands for me: `liked` and `saved` are exact at once. The totals hold what I just did, and are exact
    for posts that few people like at a time; of the others they are at most 5 s old."""

    liked: bool
    saved: bool
    likes: int
    comments: int


class CommentMarks(Struct, frozen=True, gc=False):
    """How a comment stands for me."""

    liked: bool
    likes: int
