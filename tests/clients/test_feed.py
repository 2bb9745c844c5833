"""What the feed makes of a server's answers; `tests/server/feed` asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.clients.answering import served
from tidings_client import Feed, FeedNew, Malformed
from tidings_client.events import read_event


def post(id: str) -> dict[str, Any]:
    return {"id": id, "author": {"user": "7", "username": "ben"}, "at": 5, "media": [], "later": 1}


PAGES: dict[str | None, dict[str, Any]] = {
    None: {"items": [post("3"), post("2")], "next": "5-2"},
    "5-2": {"items": [post("1")]},
}


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    async def handle(request: web.Request) -> web.Response:
        assert request.path == "/v1/feed"
        if request.query["limit"] == "9":
            return web.json_response({"items": "none"})
        assert request.query["mode"] == "ranked"
        return web.json_response(PAGES[request.query.get("before")])

    async with served(handle) as login:
        yield Feed(login)


async def test_pages_follow_each_other_to_the_end(feed: Feed) -> None:
    assert [one.id async for one in feed.posts("ranked", 2)] == ["3", "2", "1"]
    assert (await feed.page("ranked", "5-2")).next is None


async def test_an_answer_that_is_no_page_is_malformed(feed: Feed) -> None:
    with pytest.raises(Malformed):
        await feed.page(limit=9)


def test_news_of_a_post_have_what_can_be_drawn_of_it() -> None:
    preview = {"width": 640, "height": 480, "thumbhash": b"\x01", "caption": "hello"}
    event = read_event({"ev": "feed.new", "author": "7", "post": "3", "at": 5, "preview": preview})
    assert event == FeedNew("7", "3", 5, 640, 480, b"\x01", "hello")
    bare = {"ev": "feed.new", "author": "7", "post": "3", "at": 5, "preview": {"width": 1, "height": 2}}
    assert read_event(bare) == FeedNew("7", "3", 5, 1, 2, None, None)
    with pytest.raises(Malformed):
        read_event({"ev": "feed.new", "author": "7", "post": "3", "at": 5})
