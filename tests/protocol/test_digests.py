"""The same request again has the same digest, whatever is no part of sameness; any other content has another."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from protocol.digests import digest
from protocol.ids import ConversationId, UserId
from protocol.media import MediaId
from protocol.requests import CreateConversation, SendMessage
from protocol.shares import Share
from protocol.stories import NewStory
from tests.protocol import maps

users = maps.ids.map(UserId)
absent = st.just(UNSET)
sends = st.builds(
    SendMessage,
    id=st.integers(1, 9),
    conversation=maps.ids.map(ConversationId),
    cid=maps.cids,
    text=maps.text(50, 1),
    share=absent | st.builds(Share, st.sampled_from(["post", "story", "profile"]), maps.ids),
    after=absent | maps.cids,
    reply_to=absent | maps.places,
    mentions=absent | st.lists(users, max_size=3),
)
creations = st.builds(
    CreateConversation,
    id=st.integers(1, 9),
    cid=maps.cids,
    members=st.lists(users, max_size=3),
    title=absent | maps.text(20, 1),
)
SEND = SendMessage(id=1, conversation=ConversationId("5"), cid="a", text="hi")
CREATE = CreateConversation(id=1, cid="a", members=[UserId("7")])


@given(sends, sends)
def test_what_a_send_says_is_all_that_its_digest_depends_on(one: SendMessage, other: SendMessage) -> None:
    same = replace(other, text=one.text, reply_to=one.reply_to, mentions=one.mentions, share=one.share)
    assert digest(same) == digest(one)
    if (one.text, one.reply_to, one.mentions, one.share) != (other.text, other.reply_to, other.mentions, other.share):
        assert digest(one) != digest(other)


@given(creations, creations)
def test_what_a_creation_asks_for_is_all_that_its_digest_depends_on(
    one: CreateConversation, other: CreateConversation
) -> None:
    assert digest(replace(other, members=one.members, title=one.title)) == digest(one)
    if (one.members, one.title) != (other.members, other.title):
        assert digest(one) != digest(other)


@given(sends, creations)
def test_a_digest_is_a_signed_number_of_64_bits(send: SendMessage, creation: CreateConversation) -> None:
    assert all(-(2**63) <= digest(request) < 2**63 for request in (send, creation))
    assume(send.text)
    assert digest(send) != digest(creation)


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        (SEND, -2171621133811062205),
        (replace(SEND, reply_to=3, mentions=[UserId("7")]), 6489324158313517550),
        (CREATE, 1621127471044686381),
    ],
)
def test_digests_that_are_stored_stay_what_they_were(asked: SendMessage | CreateConversation, known: int) -> None:
    assert digest(asked) == known


def test_stories_are_the_same_again_with_the_same_picture_for_the_same_people() -> None:
    story = NewStory("a", MediaId("7"))
    assert story.digest() == NewStory("another cid", MediaId("7"), "all").digest()
    others = [replace(story, media=MediaId("8")), replace(story, audience="close_friends")]
    assert len({story.digest(), *(other.digest() for other in others)}) == 3
