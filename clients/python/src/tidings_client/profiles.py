"""Profiles over HTTP (wire contract §9): mine, and what others show of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .accounts import Login
from .paths import path
from .reading import Body, int_or_none, map_of, text_of, text_or_none


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody, with exact numbers. `private`: who wants to follow them has to ask."""

    user: str
    username: str
    name: str | None
    private: bool
    followers: int
    following: int
    posts: int


@dataclass(frozen=True, slots=True)
class MyProfile:
    """Who I am, and what only I may see."""

    user: str
    username: str
    name: str | None
    email: str | None
    private: bool
    settings: dict[str, Any]


class Profiles:
    """Profiles as one login sees them.

    All raise Refused (`not_found`: nobody there, for me), AuthenticationFailed, OSError and Malformed; whatever raised
    OSError may be said again.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def of(self, user: str) -> Profile:
        """Somebody by id."""
        return _profile(await self._login.call("GET", path("users", user)))

    async def named(self, username: str) -> Profile:
        """Somebody by name, in any case. Raises Refused (`bad_request`) too: nobody can be called that."""
        return _profile(await self._login.call("GET", path("users", "by-username", username)))

    async def mine(self) -> MyProfile:
        """My own."""
        return _my_profile(await self._login.call("GET", path("me")))

    async def change(
        self,
        *,
        name: str | None = None,
        email: str | None = None,
        private: bool | None = None,
        settings: Mapping[str, bool | int | str] | None = None,
    ) -> MyProfile:
        """Change what is given; an empty text removes it, settings are merged by key. No more private: all who wait to
        follow me are accepted."""
        given = {"name": name, "email": email, "private": private, "settings": settings and dict(settings)}
        body = {key: value for key, value in given.items() if value is not None}
        return _my_profile(await self._login.call("PATCH", path("me"), body))


def _profile(said: Body) -> Profile:
    return Profile(
        user=text_of(said, "id"),
        username=text_of(said, "username"),
        name=text_or_none(said, "name"),
        private=said.get("private") is True,
        followers=int_or_none(said, "followers") or 0,
        following=int_or_none(said, "following") or 0,
        posts=int_or_none(said, "posts") or 0,
    )


def _my_profile(said: Body) -> MyProfile:
    return MyProfile(
        user=text_of(said, "id"),
        username=text_of(said, "username"),
        name=text_or_none(said, "name"),
        email=text_or_none(said, "email"),
        private=said.get("private") is True,
        settings=map_of(said, "settings"),
    )
