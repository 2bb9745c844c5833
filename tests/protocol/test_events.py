"""What events say of themselves."""

from msgspec.structs import replace

from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import LiveEvent
from protocol.shares import Share


class Blinked(LiveEvent, frozen=True, gc=False, tag="blinked"):
    """A live event that says nothing of what it is about."""


def test_a_live_event_that_says_no_more_is_about_all_of_its_sort_and_shows_nobody() -> None:
    assert Blinked().key == Blinked().key == ("Blinked",)
    assert not Blinked().is_sight


def test_a_message_is_a_reaction_if_what_it_shares_says_so() -> None:
    said = MessageSent(conversation=ConversationId("1"), c=1, sender=UserId("2"), cid="a", at=Millis(0))
    shares = Share("story", "3"), Share("story", "3", reaction=True)
    assert [said.is_reaction, *(replace(said, share=share).is_reaction for share in shares)] == [False, False, True]
