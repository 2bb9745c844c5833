"""An author with one of each thing, and viewers in each role, through processes as an operator starts them."""

import itertools
import json
from typing import Any

import aiohttp
import asyncpg

from tests.privacy_table import FOLLOWING, Role, Thing
from tests.server.media.drawing import encoded, photo
from tests.server.wire import Wire

Answer = tuple[int, Any]


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

    async def post(self, media: str, **more: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.must("POST", "/v1/posts", {"cid": self.cid(), "media": [media], **more})
        return made

    async def story(self, media: str, audience: str) -> dict[str, Any]:
        body = {"cid": self.cid(), "media": media, "audience": audience}
        made: dict[str, Any] = await self.must("POST", "/v1/stories", body)
        return made

    @classmethod
    def cid(cls) -> str:
        return f"privacy {next(cls._cids)}"


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
        await self.meet()
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
        await self.close()

    async def meet(self) -> None:
        """Each viewer gets their role, as far as it comes before the author is private."""
        for role, viewer in self.viewers.items():
            await relate(self.author, viewer, role)

    async def close(self) -> None:
        """The author is private, if they are to be, and somebody has asked."""
        author = self.author
        if self.private:
            await author.must("PATCH", "/v1/me", {"private": True})
        await self.viewers["requested"].must("PUT", f"/v1/users/{author.user}/follow")
        if not self.private:
            await self.viewers["requested"].must("DELETE", f"/v1/users/{author.user}/follow")
