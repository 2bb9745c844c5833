"""The graph over HTTP: where I stand with somebody, and lists of people (docs/protocol.md §9)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.errors import Code
from protocol.ids import Millis, UserId
from protocol.route import ById, Method, Route

State = Literal["none", "requested", "following"]
"""What there is from a follower to whom they follow; `requested` until somebody private says yes."""


class Relation(Struct, frozen=True, gc=False):
    """Where I stand with `user`: `state` is from me to them, `reverse` from them to me; the rest only I know."""

    user: UserId
    state: State
    reverse: State
    blocked: bool
    muted: bool
    restricted: bool
    close_friend: bool


class Person(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody on a list, and since when."""

    user: UserId
    username: str
    at: Millis
    name: str | UnsetType = UNSET


class People(Struct, frozen=True, gc=False):
    """A page of people, the newest first; `next` is there when it goes on, and is the `before` of the next page."""

    items: list[Person]
    next: str | UnsetType = UNSET


class Suggested(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody whom I may want to follow: `common` of those whom I follow do, among them the up to three of `by`."""

    user: UserId
    username: str
    common: int
    by: tuple[UserId, ...]
    name: str | UnsetType = UNSET


class Suggestions(Struct, frozen=True, gc=False):
    """Those with most in common first; without any, those whom newcomers are suggested, with nothing in common."""

    items: list[Suggested]


Cursor = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,16}-(?:[1-9][0-9]{0,17}|[1-8][0-9]{18})$(?!\n)",
        description="the `next` of a page; what it means may change",
    ),
]


class PeopleQuery(Struct, frozen=True, gc=False):
    """`before` is a page's `next`."""

    before: Cursor | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class SuggestionsQuery(Struct, frozen=True, gc=False):
    """How many at most."""

    limit: Annotated[int, Meta(ge=1, le=50)] = 20


def _deed(name: str, method: Method, path: str, summary: str, *refusals: Code) -> Route:
    """A route that changes where I stand with `{id}`, and answers that."""
    return Route(
        name=f"graph.{name}",
        method=method,
        path=path,
        summary=summary,
        answer=Relation,
        place=ById,
        refusals=("not_found", *refusals),
    )


def _people(name: str, path: str, summary: str) -> Route:
    """A list of mine."""
    return Route(
        name=f"graph.{name}",
        method="GET",
        path=f"/v1/me/{path}",
        summary=f"{summary}, the newest first",
        answer=People,
        query=PeopleQuery,
    )


_THEM = "/v1/users/{id}"
_REQUEST = "/v1/me/follow-requests/{id}"
_FULL: Code = "conflict_state"

GRAPH_ROUTES: tuple[Route, ...] = (
    Route(
        name="graph.relation",
        method="GET",
        path=f"{_THEM}/relation",
        summary="Where I stand with somebody",
        answer=Relation,
        place=ById,
        refusals=("not_found",),
    ),
    _deed("follow", "PUT", f"{_THEM}/follow", "Follow; `requested` waits for somebody private to accept", _FULL),
    _deed("unfollow", "DELETE", f"{_THEM}/follow", "Follow no more, or withdraw the request"),
    _deed("block", "PUT", f"{_THEM}/block", "Block: for them I do not exist, and neither follows the other", _FULL),
    _deed("unblock", "DELETE", f"{_THEM}/block", "Block no more; nobody follows again by it"),
    _deed("mute", "PUT", f"{_THEM}/mute", "Mute: I do not want to hear of them", _FULL),
    _deed("unmute", "DELETE", f"{_THEM}/mute", "Mute no more"),
    _deed("restrict", "PUT", f"{_THEM}/restrict", "Restrict: what they say is a request", _FULL),
    _deed("unrestrict", "DELETE", f"{_THEM}/restrict", "Restrict no more"),
    _deed("befriend", "PUT", f"{_THEM}/close-friend", "Put on my list of close friends", _FULL),
    _deed("unfriend", "DELETE", f"{_THEM}/close-friend", "Take off my list of close friends"),
    _deed("accept", "PUT", _REQUEST, "Accept the request of `id` to follow me"),
    _deed("decline", "DELETE", _REQUEST, "Decline the request of `id` to follow me; they are not told"),
    _deed("remove", "DELETE", "/v1/me/followers/{id}", "Have `id` follow me no more; they are not told"),
    *(
        Route(
            name=f"user.{names}",
            method="GET",
            path=f"{_THEM}/{names}",
            summary=f"{summary}, the newest first; of somebody private only for who follows them",
            answer=People,
            place=ById,
            query=PeopleQuery,
            refusals=("not_found",),
        )
        for names, summary in (("followers", "Who follows somebody"), ("following", "Whom somebody follows"))
    ),
    Route(
        name="graph.suggestions",
        method="GET",
        path="/v1/me/suggestions",
        summary="Whom I may want to follow: those whom the people I follow do",
        answer=Suggestions,
        query=SuggestionsQuery,
    ),
    _people("followers", "followers", "Who follows me"),
    _people("following", "following", "Whom I follow"),
    _people("requests", "follow-requests", "Who waits for me to accept"),
    _people("blocked", "blocked", "Whom I block"),
    _people("muted", "muted", "Whom I mute"),
    _people("restricted", "restricted", "Whom I restrict"),
    _people("close_friends", "close-friends", "My list of close friends"),
)
