"""Every role at every path: whoever may not see something is answered as if it did not exist, wherever they ask."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import pytest

from config.settings import load
from tests.privacy_table import FOLLOWING, ROLES, Role, Thing, expected
from tests.server.privacy_world import Caller, World
from tests.server.running import Installation
from tests.server.wire import Wire, session

NOBODYS = "1023"
"""An id that names nothing."""
WAITING = """
select exists (select from outbox) or exists (select from outbox_message)
  or exists (select from fanout where done_at is null)"""

Look = Callable[[Caller, Wire, str, dict[str, Any]], Awaitable[bool]]


def answers(method: str, path: str, body: Callable[[], Any] = lambda: None) -> Look:
    """Seen is what is answered; unseen is answered like an id that names nothing."""

    async def look(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
        given = await viewer.ask(method, path.format(thing["id"]), body())
        if given[0] in (200, 201):
            return True
        assert given == await viewer.ask(method, path.format(NOBODYS), body())
        assert given[0] == 404
        return False

    return look


def asks(op: str, **fields: Any) -> Look:
    """The same on the socket."""

    async def look(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
        def filled(id: str) -> dict[str, Any]:
            return {key: value(id) if callable(value) else value for key, value in fields.items()}

        given = await wire.ask(op, **filled(thing["id"]))
        if "ok" in given:
            return True
        assert given["err"] == (await wire.ask(op, **filled(NOBODYS)))["err"]
        assert given["err"]["code"] == "not_found"
        return False

    return look


def lists(path: str) -> Look:
    """Seen is what stands in a list of the author's, which may be `not_found` as a whole."""

    async def look(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
        status, answer = await viewer.ask("GET", path.format(thing.get("post", author)))
        return status == 200 and thing["id"] in [item["id"] for item in answer["items"]]

    return look


async def picture(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
    """The bytes of its picture, by an address that was made for this viewer."""
    kind = "stories" if "close_friends" in thing else "posts"
    status, answer = await viewer.ask("GET", f"/v1/{kind}/{thing['id']}")
    if status != 200:
        return False
    shown = answer["media"] if isinstance(answer["media"], dict) else answer["media"][0]
    status, octets = await viewer.ask("GET", shown["url"].replace("{variant}", "150"))
    assert (status, octets[:2]) == (200, b"\xff\xd8")
    return True


async def watched(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
    return [one["post"] for one in (await wire.ok("post.watch", posts=[thing["id"]]))["posts"]] == [thing["id"]]


async def fed(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
    return thing["id"] in [item["id"] for item in (await wire.ok("feed.page", mode="latest"))["items"]]


async def in_tray(viewer: Caller, wire: Wire, author: str, thing: dict[str, Any]) -> bool:
    entries = (await wire.ok("story.tray"))["items"]
    return thing["id"] in [story["id"] for entry in entries for story in entry["stories"]]


COMMENT = {"text": "seen"}
POST_PATHS: dict[str, Look] = {
    "read": answers("GET", "/v1/posts/{}"),
    "listed": lists("/v1/users/{}/posts"),
    "comments": answers("GET", "/v1/posts/{}/comments"),
    "likes": answers("GET", "/v1/posts/{}/likes"),
    "like": answers("PUT", "/v1/posts/{}/like"),
    "unlike": answers("DELETE", "/v1/posts/{}/like"),
    "save": answers("PUT", "/v1/posts/{}/save"),
    "untag": answers("DELETE", "/v1/posts/{}/tag"),
    "comment": answers("POST", "/v1/posts/{}/comments", lambda: COMMENT | {"cid": Caller.cid()}),
    "watched": watched,
    "picture": picture,
    "fed": fed,
}
STORY_PATHS: dict[str, Look] = {
    "read": answers("GET", "/v1/stories/{}"),
    "listed": lists("/v1/users/{}/stories"),
    "seen": asks("story.seen", story=lambda id: id),
    "picture": picture,
    "tray": in_tray,
}
COMMENT_PATHS: dict[str, Look] = {
    "listed": lists("/v1/posts/{}/comments"),
    "read": answers("GET", "/v1/comments/{}"),
    "replies": answers("GET", "/v1/comments/{}/replies"),
    "likes": answers("GET", "/v1/comments/{}/likes"),
    "like": answers("PUT", "/v1/comments/{}/like"),
}


def at_path(path: str, role: Role, private: bool, thing: Thing) -> bool:
    """What the table says of the thing, and what the path adds: some are for who follows, some for what is there."""
    seen = expected(role, private, thing)
    match path:
        case "listed" if thing.kind in ("post", "story"):
            return seen and thing.state == "published"
        case "fed" | "tray":
            follows = role in FOLLOWING and role not in ("blocked", "blocker")
            return seen and thing.state == "published" and (follows or role == "self")
        case _:
            return seen


PATHS = {"post": POST_PATHS, "story": STORY_PATHS, "comment": COMMENT_PATHS}


async def all_told(database: "asyncpg.Connection[asyncpg.Record]") -> None:
    """What was made has been handed to whom it is meant for."""
    async with asyncio.timeout(20):
        while await database.fetchval(WAITING):
            pass


async def before_news_of(wire: Wire, author: str) -> list[dict[str, Any]]:
    """The events that come before the first news of somebody."""
    events = [await wire.event()]
    while (events[-1]["ev"], events[-1].get("author")) != ("feed.new", author):
        events.append(await wire.event())
    return events


def told(events: list[dict[str, Any]], thing: Thing, id: str) -> bool:
    if thing.kind == "post":
        return id in [event["post"] for event in events if event["ev"] == "feed.new"]
    added = (event for event in events if event["ev"] == "tray" and event["change"] == "add")
    return id in [story["id"] for event in added for story in event["stories"]]


@pytest.mark.verify
@pytest.mark.parametrize("private", [False, True])
async def test_every_role_is_told_live_what_the_table_says_and_nothing_else(
    installation: Installation, private: bool
) -> None:
    minted = installation.mint(1 + len(ROLES), f"live{private:d}")
    wrong = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(installation.url))
        database = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
        stack.push_async_callback(database.close)
        herald, author, *others = (Caller(http, one) for one in minted)
        roles: list[Role] = [role for role in ROLES if role != "self"]
        viewers = dict(zip(roles, others, strict=True))
        world = World(author, viewers, private)
        await world.meet()
        await world.close()
        wires: dict[str, Wire] = {}
        for caller in (herald, author, *others):
            if caller is not herald:
                await caller.must("PUT", f"/v1/users/{herald.user}/follow")
            entering = session(installation.socket_url, caller.token, snapshot=False)
            wires[caller.user], _ = await stack.enter_async_context(entering)
        picture, after = await author.picture(wires[author.user]), await herald.picture(wires[herald.user])
        made = {Thing("post", "published"): await author.post(picture, tags=[one.user for one in others])}
        for friends, audience in ((False, "all"), (True, "close_friends")):
            made[Thing("story", "published", friends)] = await author.story(picture, audience)
        await all_told(database)
        # Whatever was to be told of the author is on its way before what is told of somebody else.
        await herald.post(after)
        for role, viewer in viewers.items():
            wire = wires[viewer.user]
            events = await before_news_of(wire, herald.user)
            seen = {thing: told(events, thing, shown["id"]) for thing, shown in made.items()}
            meant = {thing: at_path("fed" if thing.kind == "post" else "tray", role, private, thing) for thing in made}
            notified = {one["kind"] for one in (await wire.ok("notification.list"))["items"]}
            tagged = expected(role, private, Thing("post", "published"))
            if (seen, "tag" in notified) != (meant, tagged):
                wrong.append((role, seen, notified))
    assert wrong == []


@pytest.mark.parametrize("private", [False, True])
async def test_every_role_is_answered_at_every_path_as_the_table_says(
    installation: Installation, private: bool
) -> None:
    minted = installation.mint(1 + len(ROLES), f"paths{private:d}")
    wrong = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(installation.url))
        database = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
        stack.push_async_callback(database.close)
        author, *others = (Caller(http, one) for one in minted)
        viewers = dict(zip(ROLES, others, strict=True)) | {"self": author}
        world = World(author, viewers, private)
        async with session(installation.socket_url, author.token, device="author") as (wire, _):
            await world.fill(wire, database)
        for role, viewer in viewers.items():
            async with session(installation.socket_url, viewer.token, device=role) as (wire, _):
                for thing, shown in world.made.items():
                    for path, look in PATHS[thing.kind].items():
                        seen = await look(viewer, wire, author.user, shown)
                        if seen != at_path(path, role, private, thing):
                            wrong.append((role, thing, path, seen))
    assert wrong == []
