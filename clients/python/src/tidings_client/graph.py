"""The graph over HTTP: following and its requests, blocks, mutes, restrictions, close friends (wire contract §9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .accounts import Login
from .paths import path
from .reading import Body, bool_of, int_of, maps_of, text_of, text_or_none, texts_of

Decision = Literal["block", "mute", "restrict", "close-friend"]
PeopleList = Literal["followers", "following", "follow-requests", "blocked", "muted", "restricted", "close-friends"]

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Relation:
    """Where I stand with `user`. `state` is from me to them, `reverse` from them to me: `none`, `requested` or
    `following`, or what a later server adds."""

    user: str
    state: str
    reverse: str
    blocked: bool
    muted: bool
    restricted: bool
    close_friend: bool


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a list, since `at`, in milliseconds since 1970."""

    user: str
    username: str
    name: str | None
    at: int


@dataclass(frozen=True, slots=True)
class People:
    """A page of people, the newest first; `next` is the `before` of the following page, None at the end."""

    items: tuple[Person, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Suggested:
    """Somebody whom I may want to follow: `common` of those whom I follow do, among them those of `by`."""

    user: str
    username: str
    name: str | None
    common: int
    by: tuple[str, ...]


class Graph:
    """One login's side of the graph. Users are named by id.

    Repeats change nothing, so whatever raised OSError may be said again. All raise Refused (`not_found`: nobody there
    for me; `conflict_state`: I block them, or the list is full), AuthenticationFailed, OSError and Malformed.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def relation(self, user: str) -> Relation:
        """Where I stand with them."""
        return await self._relation("GET", "users", user, "relation")

    async def follow(self, user: str) -> Relation:
        """`state` is `requested` until somebody private accepts."""
        return await self._relation("PUT", "users", user, "follow")

    async def unfollow(self, user: str) -> Relation:
        """Follow no more, or withdraw the request."""
        return await self._relation("DELETE", "users", user, "follow")

    async def accept(self, user: str) -> Relation:
        """Accept their request to follow me."""
        return await self._relation("PUT", "me", "follow-requests", user)

    async def decline(self, user: str) -> Relation:
        """Decline their request to follow me."""
        return await self._relation("DELETE", "me", "follow-requests", user)

    async def remove_follower(self, user: str) -> Relation:
        """Have them follow me no more."""
        return await self._relation("DELETE", "me", "followers", user)

    async def decide(self, decision: Decision, user: str, *, on: bool = True) -> Relation:
        """Block, mute or restrict somebody or call them a close friend; with `on=False` no more."""
        return await self._relation("PUT" if on else "DELETE", "users", user, decision)

    async def people(self, which: PeopleList, before: str | None = None, limit: int = PAGE) -> People:
        """A page of a list of mine."""
        return read_people(await self._login.call("GET", path("me", which, limit=limit, before=before)))

    async def people_of(
        self, user: str, which: Literal["followers", "following"], before: str | None = None, limit: int = PAGE
    ) -> People:
        """A page of who follows somebody, or of whom they follow; Refused (`not_found`) where that is not for me."""
        return read_people(await self._login.call("GET", path("users", user, which, limit=limit, before=before)))

    async def suggestions(self, limit: int = 20) -> tuple[Suggested, ...]:
        """Whom I may want to follow, those with most in common first."""
        said = await self._login.call("GET", path("me", "suggestions", limit=limit))
        return tuple(_suggested(item) for item in maps_of(said, "items"))

    async def set_private(self, private: bool) -> None:
        """Whether who wants to follow me has to ask. No more private: all who wait are accepted."""
        await self._login.call("PATCH", path("me"), {"private": private})

    async def _relation(self, method: str, *names: str) -> Relation:
        said = await self._login.call(method, path(*names))
        return Relation(
            user=text_of(said, "user"),
            state=text_of(said, "state"),
            reverse=text_of(said, "reverse"),
            blocked=bool_of(said, "blocked"),
            muted=bool_of(said, "muted"),
            restricted=bool_of(said, "restricted"),
            close_friend=bool_of(said, "close_friend"),
        )


def read_people(said: Body) -> People:
    """A page of people, of whatever answer."""
    return People(tuple(_person(item) for item in maps_of(said, "items")), text_or_none(said, "next"))


def _suggested(said: Body) -> Suggested:
    return Suggested(
        user=text_of(said, "user"),
        username=text_of(said, "username"),
        name=text_or_none(said, "name"),
        common=int_of(said, "common"),
        by=texts_of(said, "by"),
    )


def _person(said: Body) -> Person:
    return Person(text_of(said, "user"), text_of(said, "username"), text_or_none(said, "name"), int_of(said, "at"))
