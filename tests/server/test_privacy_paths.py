"""Every role at every path: whoever may not see something is answered as if it did not exist, wherever they ask."""

import itertools
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import asyncpg
import pytest

from config.settings import load
from tests.privacy_table import FOLLOWING, ROLES, Role, Thing, expected
from tests.server.media.drawing import encoded, photo
from tests.server.running import Installation
from tests.server.wire import Wire, session

Answer = tuple[int, Any]
FRIENDS: tuple[Role, ...] = ("close friend", "unfollowed friend")
NOBODYS = "1023"
"""An id that names nothing."""


class Caller:
    """Somebody with a token, and what they make."""

    _cids = itertools.count(1)

    def __init__(self, http: aiohttp.ClientSession, minted: dict[str, Any]) -> None:
        self._http = http
        self.user: str = minted["user"]
        self.token: str = minted["access_token"]

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        headers |= {"Authorization": f"Bearer {self.token}"}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        async with self._http.request(method, path, data=data, headers=headers) as response:
            text = await response.read()
            return response.status, json.loads(text) if text.startswith(b"{") else text

    async def must(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.ask(method, path, body)
        assert status in (200, 201), answer
        return answer

    async def picture(self, wire: Wire) -> str:
        """Uploaded, and ready, as `wire` hears."""
        octets = encoded(photo(64, 48), "jpeg")
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(octets)),
            "Content-Type": "application/offset+octet-stream",
        }
        async with self._http.post("/v1/uploads", data=octets, headers=headers) as response:
            assert response.status == 201, await response.text()
            id = response.headers["Location"].rpartition("/")[2]
        while (moved := await wire.event("upload"))["upload"] != id or moved["state"] != "ready":
            assert moved["state"] != "rejected"
        return id

    async def post(self, media: str) -> dict[str, Any]:
        made: dict[str, Any] = await self.must("POST", "/v1/posts", {"cid": self.cid(), "media": [media]})
        return made

    async def story(self, media: str, audience: str) -> dict[str, Any]:
        body = {"cid": self.cid(), "media": media, "audience": audience}
        made: dict[str, Any] = await self.must("POST", "/v1/stories", body)
        return made

    def cid(self) -> str:
        return f"privacy {next(self._cids)}"


async def relate(author: Caller, viewer: Caller, role: Role) -> None:
    """Before the author is private: whoever follows then goes on following."""
    if role in FOLLOWING:
        await viewer.must("PUT", f"/v1/users/{author.user}/follow")
    match role:
        case "blocked":
            await author.must("PUT", f"/v1/users/{viewer.user}/block")
        case "blocker":
            await viewer.must("PUT", f"/v1/users/{author.user}/block")
        case "close friend" | "unfollowed friend":
            await author.must("PUT", f"/v1/users/{viewer.user}/close-friend")
        case "restricted":
            await author.must("PUT", f"/v1/users/{viewer.user}/restrict")


class World:
    """An author with one of each thing, and a viewer in each role."""

    def __init__(self, author: Caller, viewers: dict[Role, Caller], private: bool) -> None:
        self.author = author
        self.viewers = viewers
        self.private = private
        self.made: dict[Thing, dict[str, Any]] = {}

    async def fill(self, wire: Wire, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        """`wire` is the author's."""
        author = self.author
        for role, viewer in self.viewers.items():
            await relate(author, viewer, role)
        posts = {state: await author.post(await author.picture(wire)) for state in ("published", "archived", "deleted")}
        for state, post in posts.items():
            self.made[Thing("post", state)] = post
            comment = await author.must("POST", f"/v1/posts/{post['id']}/comments", {"cid": author.cid(), "text": "hi"})
            self.made[Thing("comment", "author", within=Thing("post", state))] = comment["comment"]
        await author.must("PATCH", f"/v1/posts/{posts['archived']['id']}", {"archived": True})
        await author.must("DELETE", f"/v1/posts/{posts['deleted']['id']}")
        for state, friends in itertools.product(("published", "over", "deleted"), (False, True)):
            story = await author.story(await author.picture(wire), "close_friends" if friends else "all")
            self.made[Thing("story", state, friends)] = story
            if state == "deleted":
                await author.must("DELETE", f"/v1/stories/{story['id']}")
            if state == "over":
                await database.execute(
                    """update story set posted_at = posted_at - interval '24 hours',
                    expires_at = expires_at - interval '24 hours' where id = $1""",
                    int(story["id"]),
                )
        if self.private:
            await author.must("PATCH", "/v1/me", {"private": True})
        await self.viewers["requested"].must("PUT", f"/v1/users/{author.user}/follow")
        if not self.private:
            await self.viewers["requested"].must("DELETE", f"/v1/users/{author.user}/follow")


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
    "comment": answers("POST", "/v1/posts/{}/comments", lambda: COMMENT | {"cid": f"c {next(Caller._cids)}"}),
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
