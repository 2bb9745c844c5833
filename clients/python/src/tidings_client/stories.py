"""Stories over HTTP, and the tray as a screen shows it (wire contract §6 and §9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .accounts import Login
from .event_reading import read_tray
from .events import Event, Tray, TrayChanged, TrayEntry, TrayStory
from .paths import path
from .reading import Body, bool_of, int_of, int_or_none, map_of, maps_of, text_of, text_or_none

PAGE: Final = 20


@dataclass(frozen=True, slots=True)
class Story:
    """A story as I see it; others see it from `posted_at` until before `expires_at`, milliseconds since 1970. `url` has
    `{variant}` in it; it is None, as are the times, until the picture is ready (`state` is then `processing`)."""

    id: str
    author: str
    username: str
    close_friends: bool
    seen: bool
    url: str | None
    posted_at: int | None
    expires_at: int | None
    reaction: str | None
    state: str | None


@dataclass(frozen=True, slots=True)
class StoryPage:
    """A page of stories; `next` is the `before` of the following page, None at the end."""

    items: tuple[Story, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who has seen a story of mine, since `at`, and with what they reacted."""

    user: str
    username: str
    at: int
    reaction: str | None


@dataclass(frozen=True, slots=True)
class Viewers:
    """A page of the 1,000 newest viewers. `exact`: these are all, and `count` is how many; else about how many."""

    count: int
    exact: bool
    items: tuple[Viewer, ...]
    next: str | None


class Stories:
    """One login's stories. All raise Refused (`not_found`: not there for me now), AuthenticationFailed, OSError and
    Malformed."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def post(self, media: str, *, cid: str, audience: Literal["all", "close_friends"] = "all") -> Story:
        """A story of a picture of mine; repeating it with its `cid` never posts twice."""
        return _story(
            await self._login.call("POST", path("stories"), {"cid": cid, "media": media, "audience": audience})
        )

    async def delete(self, story: str) -> None:
        """Delete one of mine; a repeat changes nothing."""
        await self._login.call("DELETE", path("stories", story))

    async def story(self, story: str) -> Story:
        """One story."""
        return _story(await self._login.call("GET", path("stories", story)))

    async def of(self, user: str) -> tuple[Story, ...]:
        """What there is of somebody now, the oldest first."""
        said = await self._login.call("GET", path("users", user, "stories"))
        return tuple(_story(item) for item in maps_of(said, "items"))

    async def mine(self, before: str | None = None, limit: int = PAGE) -> StoryPage:
        """A page of my archive, the newest first."""
        said = await self._login.call("GET", path("me", "stories", limit=limit, before=before))
        return StoryPage(tuple(_story(item) for item in maps_of(said, "items")), text_or_none(said, "next"))

    async def viewers(self, story: str, before: str | None = None, limit: int = 50) -> Viewers:
        """Who has seen one of mine, the newest first."""
        said = await self._login.call("GET", path("stories", story, "viewers", limit=limit, before=before))
        items = tuple(_viewer(item) for item in maps_of(said, "items"))
        return Viewers(int_of(said, "count"), bool_of(said, "exact"), items, text_or_none(said, "next"))

    async def tray(self) -> Tray:
        """Whose stories there are for me now."""
        return read_tray(await self._login.call("GET", path("stories", "tray")))


class StoryTray:
    """Whose stories there are: give it every event, and it shows what a screen would. What is over is not shown,
    whether or not anybody said so."""

    def __init__(self) -> None:
        self._stories: dict[str, dict[str, TrayStory]] = {}
        self._entries: dict[str, TrayEntry] = {}

    def stories(self, author: str, now: int) -> tuple[TrayStory, ...]:
        """Those of one author, the oldest first; `now` is milliseconds since 1970."""
        there = (one for one in self._stories.get(author, {}).values() if now < one.expires_at)
        return tuple(sorted(there, key=lambda one: (one.expires_at, int(one.id))))

    def authors(self, now: int) -> list[str]:
        """Those with stories: first whoever has some that I have not seen, then the newest; at the end whom I mute."""
        there = {author: stories for author in self._stories if (stories := self.stories(author, now))}

        def place(author: str) -> tuple[bool, bool, int]:
            entry, stories = self._entries.get(author), there[author]
            return entry is not None and entry.muted, all(one.seen for one in stories), -stories[-1].expires_at

        return sorted(there, key=place)

    def apply(self, event: Event) -> None:
        """The one place where the tray changes; other events leave it as it is."""
        if isinstance(event, Tray):
            self._entries = {entry.author: entry for entry in event.entries}
            self._stories = {entry.author: {one.id: one for one in entry.stories} for entry in event.entries}
        elif isinstance(event, TrayChanged):
            self._change(event)

    def _change(self, changed: TrayChanged) -> None:
        stories = self._stories.setdefault(changed.author, {})
        if changed.change == "remove" and not changed.stories:
            stories.clear()
        for one in changed.stories:
            if changed.change == "add":
                stories.setdefault(one.id, one)
            elif changed.change == "remove":
                stories.pop(one.id, None)
            elif changed.change == "seen" and one.id in stories:
                stories[one.id] = TrayStory(one.id, one.expires_at, one.close_friends, seen=True)


def _story(said: Body) -> Story:
    author = map_of(said, "author")
    return Story(
        id=text_of(said, "id"),
        author=text_of(author, "user"),
        username=text_of(author, "username"),
        close_friends=bool_of(said, "close_friends"),
        seen=bool_of(said, "seen"),
        url=text_of(map_of(said, "media"), "url") if said.get("media") is not None else None,
        posted_at=int_or_none(said, "posted_at"),
        expires_at=int_or_none(said, "expires_at"),
        reaction=text_or_none(said, "reaction"),
        state=text_or_none(said, "state"),
    )


def _viewer(said: Body) -> Viewer:
    return Viewer(text_of(said, "user"), text_of(said, "username"), int_of(said, "at"), text_or_none(said, "reaction"))
