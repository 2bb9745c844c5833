"""Posts over HTTP: made, changed, deleted and listed (docs/protocol.md §9)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.digests import sameness
from protocol.graph import Cursor
from protocol.ids import ID
from protocol.media import MediaId
from protocol.posts import Post, Posts
from protocol.replies import Done
from protocol.requests import Cid, User
from protocol.route import ById, Route

HASHTAGS, MENTIONS = 30, 20
"""How many of a caption count; further ones are text."""

Caption = Annotated[str, Meta(max_length=2_200, pattern=r"^[^\u0000]*$(?!\n)")]
Place = Annotated[str, Meta(max_length=100, pattern=r"^[^\u0000]*$(?!\n)")]


class NewPost(Struct, frozen=True, gc=False):
    """`media` are pictures of mine, in order, each once; `tags` are people in them. `#hashtags` and `@usernames` of the
    caption count, up to thirty and twenty."""

    cid: Cid
    media: Annotated[
        list[Annotated[MediaId, ID]],
        Meta(min_length=1, max_length=10, extra_json_schema={"uniqueItems": True}),
    ]
    caption: Caption | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    tags: Annotated[list[User], Meta(max_length=20)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(set(self.media)) < len(self.media):
            raise ValueError("media: each picture may stand in a post once")

    def digest(self) -> bytes:
        """Over what it asks for: whether a request with a known `cid` is the same again."""
        return sameness(self.media, self.caption, self.place, self.tags)


class PostPatch(Struct, frozen=True, gc=False):
    """What is left out stays; an empty `caption` or `place` removes it. `archived`: nobody else sees it."""

    caption: Caption | UnsetType = UNSET
    place: Place | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class PostMade(Post, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The post that was made: `processing` until all its pictures are ready. `dup`: an earlier request with this `cid`
    made it; it may have been deleted since, and is told as `deleted` then, without anything else."""

    dup: bool = False


class PostsQuery(Struct, frozen=True, gc=False):
    """`before` is a page's `next`."""

    before: Cursor | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class MyPostsQuery(PostsQuery, frozen=True, gc=False):
    """`waiting` are those that are not published yet, or were rejected."""

    state: Literal["published", "waiting", "archived"] = "published"


_POST = "/v1/posts/{id}"

POST_ROUTES: tuple[Route, ...] = (
    Route(
        name="post.make",
        method="POST",
        path="/v1/posts",
        summary="Make a post of pictures of mine; not_found: one is not there; conflict_state: one was rejected",
        answer=PostMade,
        status=201,
        bodies=(NewPost,),
        refusals=("not_found", "conflict_state", "id_reused"),
    ),
    Route(
        name="post.get",
        method="GET",
        path=_POST,
        summary="A post",
        answer=Post,
        place=ById,
        cached=True,
        refusals=("not_found",),
    ),
    Route(
        name="post.change",
        method="PATCH",
        path=_POST,
        summary="Edit or archive a post of mine; conflict_state: only what was published can be archived",
        answer=Post,
        bodies=(PostPatch,),
        place=ById,
        refusals=("not_found", "conflict_state"),
    ),
    Route(
        name="post.delete",
        method="DELETE",
        path=_POST,
        summary="Delete a post of mine, for everybody and at once",
        answer=Done,
        place=ById,
        refusals=("not_found",),
    ),
    Route(
        name="post.untag",
        method="DELETE",
        path=f"{_POST}/tag",
        summary="Take the tag of me off a post, for good; a repeat changes nothing",
        answer=Post,
        place=ById,
        refusals=("not_found",),
    ),
    Route(
        name="post.list",
        method="GET",
        path="/v1/users/{id}/posts",
        summary="What somebody has posted, the newest first; not_found: also, it is not for me",
        answer=Posts,
        query=PostsQuery,
        place=ById,
        refusals=("not_found",),
    ),
    Route(
        name="post.mine",
        method="GET",
        path="/v1/me/posts",
        summary="My posts, also those that others do not see, the newest first",
        answer=Posts,
        query=MyPostsQuery,
    ),
)
