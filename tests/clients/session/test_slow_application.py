"""An application that takes events more slowly than they come."""

from __future__ import annotations

import pytest

from tests.clients.session.desk import Desk, conversation, message, places, snapshot
from tidings_client import (
    Offline,
    Online,
)
from tidings_client.effects import Close, Connect


def behind(desk: Desk, count: int) -> Desk:
    for u in range(1, count + 1):
        desk.hear(message(u, u))
    return desk


def caught_up(queue: int) -> Desk:
    """Live, with nothing left to take: orders 1 and 2 were the snapshot and that it is online."""
    desk = Desk(queue=queue).live(conversation())
    desk.do(desk.session.taken(2, desk.now))
    return desk


def test_a_full_queue_stops_the_reading_until_something_is_taken() -> None:
    desk = behind(caught_up(queue=4), 4)
    assert not desk.session.paused
    desk.hear(message(5, 5))
    assert desk.session.paused
    desk.do(desk.session.taken(3, desk.now))
    assert not desk.session.paused


def test_while_a_reply_is_awaited_reading_goes_on_to_eight_times_the_queue() -> None:
    desk = behind(caught_up(queue=4), 5)
    desk.ask(1)
    assert not desk.session.paused
    for u in range(6, 34):
        desk.hear(message(u, u))
    assert desk.session.paused
    desk.do(desk.session.taken(30, desk.now))
    assert not desk.session.paused
    desk.session.abandon(1)
    assert desk.session.paused


@pytest.mark.parametrize(("awaited", "ms"), [(True, 500), (False, 5_000)])
def test_an_application_that_takes_nothing_leaves_events_with_the_server_but_not_the_reply(
    awaited: bool, ms: int
) -> None:
    desk = caught_up(queue=1)
    if awaited:
        desk.ask(1)
    behind(desk, 9)
    desk.wait(ms - 1)
    assert desk.session.paused
    desk.wait(1)
    assert not desk.session.paused
    assert desk.hear(message(10, 10)) == []
    assert desk.hear({"ev": "continuity", "epoch": "f", "u": 0}) == []
    assert desk.session.position == ("e", 9)
    if awaited:
        desk.hear({"re": 2, "ok": {}})
        assert desk.answers() == {1: {}}


def skipping() -> Desk:
    desk = behind(caught_up(queue=4), 5)
    desk.wait(5_000)
    desk.hear(message(6, 6))
    return desk


def test_while_events_are_left_behind_pings_are_acked() -> None:
    desk = skipping()
    desk.do(desk.session.taken(3, desk.now))
    desk.hear({"ev": "ping", "u": 6})
    assert desk.pick(Close) == []
    assert desk.writes() == [{"op": "ack", "epoch": "e", "u": 1}]


def test_with_half_the_queue_free_the_connection_is_resumed_where_handing_on_ended() -> None:
    desk = skipping()
    desk.do(desk.session.taken(4, desk.now))
    assert desk.pick(Close) == []
    desk.do(desk.session.taken(5, desk.now))
    assert desk.pick(Close) == [Close(3000)]
    desk.lose(3000)
    assert desk.pick(Connect) == [Connect(500)]
    assert desk.hello()["resume"] == {"epoch": "e", "u": 5}
    desk.welcome("resumed", u=6)
    desk.hear(message(6, 6))
    assert places(desk.events()) == [6]


def test_resuming_because_of_a_slow_application_never_backs_off() -> None:
    desk = caught_up(queue=1)
    taken, u = 2, 0
    for _ in range(4):
        desk.hear(message(u + 1, u + 1))
        desk.hear(message(u + 2, u + 2))
        u += 2
        desk.wait(5_000)
        taken += 2
        desk.do(desk.session.taken(taken, desk.now))
        assert desk.pick(Close) == [Close(3000)]
        desk.lose(3000)
        assert desk.pick(Connect) == [Connect(500)]
        desk.hello()
        desk.welcome("resumed", u=u)


def test_coming_back_because_of_a_slow_application_is_told_only_if_it_fails_or_was_no_resuming() -> None:
    desk = skipping()
    desk.do(desk.session.taken(7, desk.now))
    desk.lose(3000)
    assert desk.events() == []
    desk.hello()
    desk.welcome("resumed", u=6)
    desk.hear(message(6, 6))
    desk.hear({"ev": "synced", "u": 6})
    assert desk.events() == []
    desk.lose()
    assert desk.events() == [Offline(None, 500)]

    desk = skipping()
    desk.do(desk.session.taken(7, desk.now))
    desk.lose(3000)
    desk.lose()
    assert desk.events() == [Offline(None, 1_000)]

    desk = skipping()
    desk.do(desk.session.taken(7, desk.now))
    desk.lose(3000)
    desk.hello()
    desk.welcome("resync", u=6)
    desk.hear({"ev": "synced", "u": 6})
    assert desk.events() == [Online("resync")]


def test_questions_whose_answers_would_hand_on_more_are_asked_again_by_the_next_connection() -> None:
    desk = behind(caught_up(queue=4), 5)
    desk.hear(message(9, 6))
    (history,) = desk.writes()
    desk.wait(5_000)
    assert desk.hear({"re": history["id"], "ok": {"events": [message(6)], "more": True}}) == []
    desk.lose()
    desk.hello()
    desk.welcome("resumed", u=6)
    assert [(write["op"], write["after"]) for write in desk.writes()] == [("message.history", 5)]


def test_a_listing_that_would_hand_on_more_is_asked_again_by_the_next_connection() -> None:
    desk = Desk(queue=1)
    desk.hello()
    desk.welcome()
    desk.hear(snapshot(conversation(), next="p2"))
    (asked,) = desk.writes()
    behind(desk, 2)
    desk.wait(5_000)
    assert desk.hear({"re": asked["id"], "ok": {"items": []}}) == []
    desk.lose()
    desk.hello()
    desk.welcome("resumed", u=2)
    assert [write["op"] for write in desk.writes()] == ["conversation.list"]


def test_a_sync_that_would_hand_on_more_is_asked_again_by_the_next_connection() -> None:
    desk = behind(caught_up(queue=4), 4)
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    (sync,) = desk.writes()
    desk.hear(message(5, 1))
    desk.wait(5_000)
    assert desk.hear({"re": sync["id"], "ok": {"conversations": [], "now": 2_000}}) == []
    desk.lose()
    desk.hello()
    desk.welcome("resumed", u=1)
    assert [write["op"] for write in desk.writes()] == ["sync"]


def test_live_events_find_no_room_in_a_full_queue() -> None:
    desk = behind(caught_up(queue=4), 5)
    typing = {"ev": "typing", "conversation": "7", "c": 4, "user": "you", "kind": "text", "for_ms": 8_000}
    assert desk.hear(typing) == []
    desk.do(desk.session.taken(7, desk.now))
    desk.hear(typing)
    assert len(desk.events()) == 1
