"""What the client makes of likes and comments; `tests/server/test_engagement.py` asks a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.clients.answering import Answering, served
from tidings_client import Comment, CommentMarks, Comments, Engagement, Malformed, PostMarks

COMMENT: dict[str, Any] = {
    "id": "9",
    "post": "5",
    "author": {"user": "7", "username": "ada", "name": "Ada"},
    "at": 3,
    "text": "yes",
    "parent": "8",
    "likes": 2,
    "liked": True,
    "later": {},
}
READ = Comment("9", "5", "7", "ada", "Ada", 3, "yes", "8", 2, True, 0)


@pytest.fixture
def server() -> Answering:
    return Answering({"liked": True, "saved": False, "likes": 3, "comments": 1})


@pytest.fixture
async def engagement(server: Answering) -> AsyncIterator[Engagement]:
    async with served(server.handle) as login:
        yield Engagement(login)


async def test_each_deed_has_its_method_and_path(server: Answering, engagement: Engagement) -> None:
    assert await engagement.like("5") == PostMarks(True, False, 3, 1)
    await engagement.like("5", on=False)
    await engagement.save("5")
    assert await engagement.like_comment("9", on=False) == CommentMarks(True, 3)
    await engagement.delete_comment("9/..")
    assert [asked[:2] for asked in server.asked] == [
        ("PUT", "/v1/posts/5/like"),
        ("DELETE", "/v1/posts/5/like"),
        ("PUT", "/v1/posts/5/save"),
        ("DELETE", "/v1/comments/9/like"),
        ("DELETE", "/v1/comments/9%2F.."),
    ]


async def test_a_comment_is_read_whatever_a_later_server_adds(server: Answering, engagement: Engagement) -> None:
    server.answer = {"comment": COMMENT, "dup": True}
    made = await engagement.comment("5", "yes", parent="8", cid="mine")
    assert (made.id, made.dup) == ("9", True)
    assert server.asked == [("POST", "/v1/posts/5/comments", {"cid": "mine", "text": "yes", "parent": "8"})]
    bare = {name: COMMENT[name] for name in ("id", "post", "author", "at")}
    server.answer = {"items": [COMMENT, bare], "next": "on"}
    page = await engagement.comments("5", "here", 2)
    assert page == Comments((READ, Comment("9", "5", "7", "ada", "Ada", 3, None, None, 0, False, 0)), "on")
    await engagement.replies("8", "there")
    server.answer = COMMENT
    assert await engagement.get_comment("9") == READ
    server.answer = {"items": []}
    assert (await engagement.comment_likers("9", "here")).items == ()
    assert [asked[1] for asked in server.asked[1:]] == [
        "/v1/posts/5/comments?limit=2&before=here",
        "/v1/comments/8/replies?limit=20&after=there",
        "/v1/comments/9",
        "/v1/comments/9/likes?limit=50&before=here",
    ]


async def test_an_answer_without_what_the_contract_requires_is_malformed(
    server: Answering, engagement: Engagement
) -> None:
    server.answer = {"liked": True, "likes": 3, "comments": 1}
    with pytest.raises(Malformed, match="saved"):
        await engagement.like("5")
