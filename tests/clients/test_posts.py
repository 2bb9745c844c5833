"""What the client makes of a server's posts; `tests/server/test_shares.py` asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidings_client import Login, Malformed, Media, Post, PostPage, Posts, Tokens

POST: dict[str, Any] = {
    "id": "9",
    "author": {"user": "7", "username": "ada"},
    "at": 5,
    "media": [{"id": "3", "width": 640, "height": 480, "url": "/v1/media/3/{variant}?viewer=1"}],
    "later": {},
}
READ = Post(
    id="9",
    author="7",
    username="ada",
    name=None,
    at=5,
    media=(Media("3", 640, 480, "/v1/media/3/{variant}?viewer=1", None),),
    caption=None,
    place=None,
    tags=(),
    likes=0,
    comments=0,
    liked=False,
    saved=False,
    state="published",
    reason=None,
    edited_at=None,
)


class Server:
    """Answers as told, and remembers who asked what."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = POST
        self.asked: list[tuple[str, str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, await request.json() if request.can_read_body else None))
        return web.json_response(self.answer)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def posts(server: Server) -> AsyncIterator[Posts]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        yield Posts(Login(f"ws://127.0.0.1:{running.port}/v1/socket", Tokens("1", "access", "refresh", 900)))


async def test_what_the_server_leaves_out_is_read_as_what_it_means(server: Server, posts: Posts) -> None:
    assert await posts.get("9") == READ
    assert READ.media[0].url("640") == "/v1/media/3/640?viewer=1"
    server.answer = POST | {"state": "deleted", "dup": True, "media": [], "likes": 2, "liked": True}
    gone = await posts.get("9")
    assert (gone.state, gone.dup, gone.media, gone.likes, gone.liked) == ("deleted", True, (), 2, True)


async def test_only_what_is_given_is_sent(server: Server, posts: Posts) -> None:
    await posts.create(["3"], cid="once")
    await posts.create(["3"], "Lake", place="Como", tags=["8"], cid="once")
    await posts.edit("9", caption="", archived=False)
    assert [body for *_, body in server.asked] == [
        {"cid": "once", "media": ["3"]},
        {"cid": "once", "media": ["3"], "caption": "Lake", "place": "Como", "tags": ["8"]},
        {"caption": "", "archived": False},
    ]
    assert len(await _cids(server, posts)) == 2


async def _cids(server: Server, posts: Posts) -> set[str]:
    for _ in range(2):
        await posts.create(["3"])
    return {body["cid"] for *_, body in server.asked[-2:]}


async def test_pages_say_where_they_go_on(server: Server, posts: Posts) -> None:
    server.answer = {"items": [POST], "next": "5-9"}
    assert await posts.of("7") == PostPage((READ,), "5-9")
    server.answer = {"items": []}
    assert await posts.mine("archived", "5-9", 3) == PostPage((), None)
    assert [path for _, path, _ in server.asked] == [
        "/v1/users/7/posts?limit=20",
        "/v1/me/posts?limit=3&state=archived&before=5-9",
    ]


@pytest.mark.parametrize("key", ["id", "author", "at", "media"])
async def test_a_post_without_what_the_contract_requires_is_malformed(server: Server, posts: Posts, key: str) -> None:
    server.answer = {**POST, key: 1.5}
    with pytest.raises(Malformed, match=key):
        await posts.get("9")
