"""Events in their order: gaps, repeats, places that are missing or unknown."""

from __future__ import annotations

import pytest

from tests.clients.session.desk import Body, Desk, conversation, error, message, places
from tidings_client import (
    ConversationGone,
    ConversationState,
    Other,
    Typing,
)
from tidings_client.effects import Close


def test_a_gap_in_u_closes_and_resumes() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(1, 1))
    desk.hear(message(3, 3))
    assert desk.pick(Close) == [Close(3000)]
    assert desk.hear(message(2, 2)) == []
    desk.lose(3000)
    assert desk.hello()["resume"] == {"epoch": "e", "u": 1}


@pytest.mark.parametrize("ev", ["ping", "synced"])
def test_a_count_that_differs_from_the_servers_closes_and_resumes(ev: str) -> None:
    desk = Desk().live(conversation())
    desk.hear({"ev": ev, "u": 4})
    assert desk.pick(Close) == [Close(3000)]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"ev": 7},
        {"ev": "message"},
        {"ev": "message", "u": "1"},
        {"ev": "ping"},
        {"re": "x", "ok": {}},
        {"ev": "receipt", "u": 1},
        {"ev": "snapshot", "now": 1, "conversations": {}},
        {"ev": "continuity", "epoch": 3, "u": 0},
        message(1, 1) | {"c": "1"},
        message(1, 1) | {"text": 5},
    ],
)
def test_a_message_without_sense_closes_and_resumes(broken: Body) -> None:
    desk = Desk().live(conversation())
    desk.hear(broken)
    assert desk.pick(Close) == [Close(3000)]


def test_what_came_while_a_request_was_declined_is_asked_for_when_it_is_accepted() -> None:
    desk = Desk().live(conversation(last_c=2))
    desk.hear({"ev": "settings", "conversation": "7", "folder": "declined", "u": 1})
    assert [event.folder for event in desk.events()] == ["declined"]
    assert desk.writes() == []
    desk.hear({"ev": "settings", "conversation": "7", "folder": "inbox", "u": 2})
    (asked,) = desk.writes()
    assert (asked["op"], asked["after"]) == ("message.history", 2)
    desk.hear({"re": asked["id"], "ok": {"events": [message(3), message(4)], "more": False}})
    assert places(desk.events()) == [3, 4]
    assert desk.writes() == []


def test_a_request_that_was_accepted_elsewhere_and_is_not_known_here_is_asked_for() -> None:
    desk = Desk().live()
    desk.hear({"ev": "settings", "conversation": "7", "folder": "inbox", "u": 1})
    (asked,) = desk.writes()
    assert asked["op"] == "conversation.get"
    desk.hear({"re": asked["id"], "ok": conversation(last_c=1)})
    (asked,) = desk.writes()
    assert (asked["op"], asked["after"]) == ("message.history", 0)
    desk.hear({"re": asked["id"], "ok": {"events": [message(1)], "more": False}})
    assert places(desk.events()) == [1]


def test_what_was_said_in_a_request_before_this_stream_began_is_asked_for_once_it_is_heard_of() -> None:
    desk = Desk().live()
    desk.hear(message(1, 1))
    (asked,) = desk.writes()
    desk.hear({"re": asked["id"], "ok": conversation(last_c=2, folder="requests")})
    assert places(desk.events()) == [1]
    (asked,) = desk.writes()
    assert (asked["op"], asked["after"]) == ("message.history", 1)


def test_a_place_that_is_known_is_dropped_but_counted() -> None:
    desk = Desk().live(conversation(last_c=5))
    assert desk.hear(message(5, 1)) == []
    assert desk.session.position == ("e", 1)
    desk.hear(message(6, 2))
    assert places(desk.events()) == [6]


def test_a_gap_is_filled_by_history_in_order_over_several_pages() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(5, 1))
    assert desk.writes() == [{"op": "message.history", "id": 2, "conversation": "7", "after": 0, "limit": 100}]
    desk.hear(message(6, 2))
    desk.hear({"re": 2, "ok": {"events": [message(1), message(2)], "more": True}})
    assert places(desk.events()) == [1, 2]
    assert desk.writes()[0]["after"] == 2
    desk.hear({"re": 3, "ok": {"events": [message(3), message(4), message(5)], "more": False}})
    assert places(desk.events()) == [3, 4, 5, 6]
    assert desk.writes() == []


def test_a_history_read_too_early_is_asked_for_again_after_a_second() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(2, 1))
    assert desk.hear({"re": 2, "ok": {"events": [], "more": False}}) == []
    desk.wait(999)
    assert "message.history" not in [write["op"] for write in desk.writes()]
    desk.wait(1)
    assert "message.history" in [write["op"] for write in desk.writes()]


def test_an_unknown_conversation_is_asked_for_and_starts_with_my_joining() -> None:
    desk = Desk().live(conversation("other"))
    desk.hear(message(9, 1))
    assert desk.writes() == [{"op": "conversation.get", "id": 2, "conversation": "7"}]
    desk.hear({"re": 2, "ok": conversation(last_c=9, joined_c=9)})
    state, first = desk.events()
    assert isinstance(state, ConversationState)
    assert places([first]) == [9]


def test_my_own_rejoining_skips_what_i_was_not_there_for() -> None:
    desk = Desk().live(conversation(last_c=3))
    join = message(20, 1) | {"ev": "member", "user": "me", "change": "joined"}
    desk.hear(join)
    assert desk.writes()[0]["op"] == "conversation.get"
    desk.hear(message(21, 2))
    desk.hear({"re": 2, "ok": conversation(last_c=21, joined_c=20)})
    assert [event.c for event in desk.events()[1:]] == [20, 21]


def test_a_conversation_that_may_not_be_seen_is_gone() -> None:
    desk = Desk().live(conversation("other"))
    desk.hear(message(9, 1))
    desk.hear(error(desk.writes()[0], "not_found"))
    assert desk.events() == [ConversationGone("7")]
    assert desk.session.heads == {"other": 0}


def test_a_conversation_that_is_gone_takes_its_questions_with_it() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(5, 1))
    desk.hear({"ev": "conversation.gone", "conversation": "7", "u": 2})
    assert desk.events() == [ConversationGone("7", 2)]
    assert desk.hear({"re": 2, "ok": {"events": [message(1)], "more": False}}) == []
    assert desk.session.position == ("e", 2)


def test_an_unknown_durable_event_with_a_place_counts_as_one_of_the_log() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(1, 1) | {"ev": "poll.opened"})
    assert [event.ev for event in desk.events()] == ["poll.opened"]
    assert desk.session.heads == {"7": 1}


def test_unknown_and_live_events_are_handed_on_as_they_are() -> None:
    desk = Desk().live(conversation())
    desk.hear({"ev": "weather", "sun": True})
    assert desk.events() == [Other("weather", {"ev": "weather", "sun": True})]
    desk.hear({"ev": "typing", "conversation": "7", "c": 4, "user": "you", "kind": "text", "for_ms": 8_000})
    assert desk.events() == [Typing("7", "you", "text", 8_000)]


def test_a_conversation_i_have_made_needs_no_question_when_its_first_event_comes() -> None:
    desk = Desk().live()
    desk.ask(1, "conversation.open")
    desk.hear({"re": 2, "ok": {"conversation": conversation()}})
    desk.hear(message(1, 1))
    assert desk.writes() == []
    assert places(desk.events()) == [1]
