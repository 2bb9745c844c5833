"""What the client makes of a server's posts; `tests/server/test_shares.py` asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.clients.answering import Answering, served
from tidings_client import Malformed, Media, Post, PostPage, Posts

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


@pytest.fixture
def server() -> Answering:
    return Answering(POST)


@pytest.fixture
async def posts(server: Answering) -> AsyncIterator[Posts]:
    async with served(server.handle) as login:
        yield Posts(login)


async def test_what_the_server_leaves_out_is_read_as_what_it_means(server: Answering, posts: Posts) -> None:
    assert await posts.get("9") == READ
    assert READ.media[0].url("640") == "/v1/media/3/640?viewer=1"
    server.answer = POST | {"state": "deleted", "dup": True, "media": [], "likes": 2, "liked": True}
    gone = await posts.get("9")
    assert (gone.state, gone.dup, gone.media, gone.likes, gone.liked) == ("deleted", True, (), 2, True)


async def test_the_tag_of_me_is_taken_off(server: Answering, posts: Posts) -> None:
    assert await posts.untag("9") == READ
    assert [asked[:2] for asked in server.asked] == [("DELETE", "/v1/posts/9/tag")]


async def test_only_what_is_given_is_sent(server: Answering, posts: Posts) -> None:
    await posts.create(["3"], cid="once")
    await posts.create(["3"], "Lake", place="Como", tags=["8"], cid="once")
    await posts.edit("9", caption="", archived=False)
    assert [body for *_, body in server.asked] == [
        {"cid": "once", "media": ["3"]},
        {"cid": "once", "media": ["3"], "caption": "Lake", "place": "Como", "tags": ["8"]},
        {"caption": "", "archived": False},
    ]
    assert len(await _cids(server, posts)) == 2


async def _cids(server: Answering, posts: Posts) -> set[str]:
    for _ in range(2):
        await posts.create(["3"])
    return {body["cid"] for *_, body in server.asked[-2:]}


async def test_pages_say_where_they_go_on(server: Answering, posts: Posts) -> None:
    server.answer = {"items": [POST], "next": "5-9"}
    assert await posts.of("7") == PostPage((READ,), "5-9")
    server.answer = {"items": []}
    assert await posts.mine("archived", "5-9", 3) == PostPage((), None)
    assert [path for _, path, _ in server.asked] == [
        "/v1/users/7/posts?limit=20",
        "/v1/me/posts?limit=3&state=archived&before=5-9",
    ]


@pytest.mark.parametrize("key", ["id", "author", "at", "media"])
async def test_a_post_without_what_the_contract_requires_is_malformed(
    server: Answering, posts: Posts, key: str
) -> None:
    server.answer = {**POST, key: 1.5}
    with pytest.raises(Malformed, match=key):
        await posts.get("9")
