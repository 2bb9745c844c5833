"""The graph over HTTP: where I stand with somebody, and lists of people (docs/protocol.md §9)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import Millis, UserId

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
