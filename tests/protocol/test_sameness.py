"""A post or a comment that is asked for again: whatever it asks for is in its digest, and nothing else."""

from typing import Any

import pytest
from msgspec.structs import replace

from protocol.engagement import NewComment
from protocol.ids import UserId
from protocol.media import MediaId
from protocol.posting import NewPost
from protocol.posts import PostId

NEW = NewPost(cid="a", media=[MediaId("1"), MediaId("2")], caption="x", place="y", tags=[UserId("3")])
COMMENT = NewComment(cid="a", text="x")


@pytest.mark.parametrize(
    "other", [{"media": [MediaId("2"), MediaId("1")]}, {"caption": "y"}, {"place": "x"}, {"tags": []}]
)
def test_a_post_is_the_same_again_with_the_same_content(other: dict[str, Any]) -> None:
    assert replace(NEW, cid="b").digest() == NEW.digest()
    assert replace(NEW, **other).digest() != NEW.digest()


def test_a_post_shows_each_picture_once() -> None:
    with pytest.raises(ValueError, match="once"):
        NewPost(cid="a", media=[MediaId("1"), MediaId("1")])


def test_a_comment_is_the_same_again_on_the_same_post() -> None:
    digest = COMMENT.digest(PostId("5"))
    assert replace(COMMENT, cid="b").digest(PostId("5")) == digest
    others = COMMENT, replace(COMMENT, text="y"), replace(COMMENT, parent="7")
    assert {one.digest(PostId("6")) for one in others}.isdisjoint({digest})
    assert len({one.digest(PostId("5")) for one in others}) == 3
