"""Stories: pictures that others see for 24 hours, by the database's clock (docs/protocol.md §6 and §9)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.digests import sameness
from protocol.errors import Code
from protocol.graph import PeopleQuery
from protocol.ids import CID, ID, Millis, UserId
from protocol.media import Media, MediaId
from protocol.posts import Author
from protocol.replies import Done
from protocol.route import ById, Method, Route
from protocol.trays import StoryId

LIFE_MS = 86_400_000
"""How long others see a story."""


class NewStory(Struct, frozen=True, gc=False):
    """A story of one picture of mine; it begins when that is ready. `close_friends` are those on my list."""

    cid: Annotated[str, CID]
    media: Annotated[MediaId, ID]
    audience: Literal["all", "close_friends"] = "all"

    def digest(self) -> bytes:
        """Over what it asks for: whether a request with a known `cid` is the same again."""
        return sameness(self.media, self.audience)


class Story(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One story as the caller sees it: others see it from `posted_at` until before `expires_at`. `seen` and `reaction`
    are the caller's own. `state` is told to the author alone, and left out once it is published. `dup`: an earlier
    request with this `cid` made it."""

    id: StoryId
    author: Author
    close_friends: bool
    seen: bool
    media: Media | UnsetType = UNSET
    posted_at: Millis | UnsetType = UNSET
    expires_at: Millis | UnsetType = UNSET
    reaction: str | UnsetType = UNSET
    state: Literal["processing", "rejected"] | UnsetType = UNSET
    dup: bool = False


class Stories(Struct, frozen=True, gc=False):
    """A page of stories; `next` is there when it goes on, and is the `before` of the next page."""

    items: list[Story]
    next: str | UnsetType = UNSET


class ArchiveQuery(Struct, frozen=True, gc=False):
    """`before` is a page's `next`."""

    before: Annotated[str, ID] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class Viewer(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who has seen a story, since when, and with what they reacted."""

    user: UserId
    username: str
    at: Millis
    name: str | UnsetType = UNSET
    reaction: str | UnsetType = UNSET


class Viewers(Struct, frozen=True, gc=False):
    """A page of the 1,000 newest viewers, the newest first. `exact`: these are all of them, and `count` is how many;
    else it is about how many there are."""

    count: int
    exact: bool
    items: list[Viewer]
    next: str | UnsetType = UNSET


STORY = "story"
"""The topic of the outbox under which it is told that a story was published or deleted: each event is its id in
decimal digits, and what has become of it stands in its row."""

STORY_SHARED = "story_share"
"""The topic of the outbox for messages that share a story, each as the MessagePack of `StoryShared`."""


class StoryShared(Struct, frozen=True, gc=False):
    """A message shares a story. `text` is its beginning; `reaction`: all it says is an emoji."""

    story: StoryId
    conversation: str
    c: int
    sender: UserId
    at: Millis
    text: str
    reaction: bool


def _story(name: str, method: Method, path: str, summary: str, answer: type[Struct], *refusals: Code) -> Route:
    return Route(
        name=f"story.{name}",
        method=method,
        path=path,
        summary=summary,
        answer=answer,
        place=ById,
        refusals=("not_found", *refusals),
    )


_ONE = "/v1/stories/{id}"

STORY_ROUTES: tuple[Route, ...] = (
    Route(
        name="story.create",
        method="POST",
        path="/v1/stories",
        summary="Post a story; it is there for others once its picture is ready",
        answer=Story,
        status=201,
        bodies=(NewStory,),
        refusals=("not_found", "id_reused", "conflict_state"),
    ),
    _story("get", "GET", _ONE, "One story", Story),
    _story("delete", "DELETE", _ONE, "Delete a story of mine, also from my archive", Done),
    Route(
        name="story.viewers",
        method="GET",
        path=f"{_ONE}/viewers",
        summary="Who has seen a story of mine, the newest first",
        answer=Viewers,
        place=ById,
        query=PeopleQuery,
        refusals=("not_found",),
    ),
    _story("of", "GET", "/v1/users/{id}/stories", "What I may see of somebody's stories now, in their order", Stories),
    Route(
        name="story.mine",
        method="GET",
        path="/v1/me/stories",
        summary="My own stories, also those that are over, the newest first",
        answer=Stories,
        query=ArchiveQuery,
    ),
)
