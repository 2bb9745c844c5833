"""What a choice tells, between nodes and to devices."""

from protocol.codec import JSON
from protocol.events import SettingsChanged
from protocol.facts import Choice
from protocol.ids import ConversationId

TALK = ConversationId("5")
CHOICE = Choice(TALK, pinned=False, draft="to", v=3)


def test_a_choice_names_what_it_sets() -> None:
    assert CHOICE.names == ["pinned", "draft"]
    assert Choice(TALK, v=3).names == []


def test_devices_are_told_the_settings_that_are_news_and_no_number() -> None:
    assert CHOICE.told(CHOICE.names) == SettingsChanged(TALK, pinned=False, draft="to")
    assert JSON.encode(CHOICE.told(["draft"])) == b'{"ev":"settings","conversation":"5","draft":"to"}'
