"""Pings, acks, and connections that are given up."""

from __future__ import annotations

from tests.clients.session.desk import Desk, conversation, message
from tidings_client.effects import Close, HandOn


def test_every_ping_is_acked_with_what_the_application_has_stored() -> None:
    desk = Desk().live(conversation("8", last_c=4), conversation())
    desk.hear(message(1, 1))
    (order,) = [effect.order for effect in desk.pick(HandOn)]
    desk.hear({"ev": "ping", "u": 1})
    assert desk.writes() == [{"op": "ack", "epoch": "e", "u": 0}]
    desk.session.taken(order, desk.now)
    desk.hear({"ev": "ping", "u": 1})
    assert desk.writes() == [{"op": "ack", "epoch": "e", "u": 1, "heads": {"8": 4}}]


def test_what_is_stored_is_acked_unasked_within_a_second_in_one_go() -> None:
    desk = Desk().live(conversation())
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    for u in range(1, 6):
        desk.hear(message(u, u))
        desk.session.taken(10**6 + u, desk.now)
    assert desk.session.wake_at is not None
    assert desk.session.wake_at <= desk.now + 1_000
    desk.wait(500)
    assert [(type(effect).__name__) for effect in desk.last] == ["Keep", "Write"]
    assert desk.writes() == [{"op": "ack", "epoch": "e", "u": 5}]


def test_an_event_kept_aside_is_not_acked() -> None:
    desk = Desk().live(conversation())
    desk.hear(message(2, 1))
    desk.session.taken(10**6, desk.now)
    desk.hear({"ev": "ping", "u": 1})
    assert desk.writes()[-1]["u"] == 0


def test_heads_that_may_have_been_lost_with_the_connection_are_said_again() -> None:
    desk = Desk().live(conversation(last_c=3))
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    assert desk.writes()[0]["heads"] == {"7": 3}
    desk.lose()
    desk.hello()
    desk.welcome("resumed")
    desk.wait(500)
    assert desk.writes()[0]["heads"] == {"7": 3}
    desk.hear({"ev": "ping", "u": 0})
    desk.lose()
    desk.hello()
    desk.welcome("resumed")
    desk.wait(500)
    assert "heads" not in desk.writes()[0]


def test_many_heads_are_acked_a_thousand_at_a_time() -> None:
    desk = Desk().live(*(conversation(f"{n}", last_c=1) for n in range(1_500)))
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    assert [len(write["heads"]) for write in desk.writes()] == [1_000, 500]


def test_a_connection_without_pings_is_given_up_and_resumed() -> None:
    desk = Desk().live()
    desk.wait(40_000)
    desk.hear({"ev": "ping", "u": 0})
    desk.wait(62_499)
    assert desk.pick(Close) == []
    desk.wait(1)
    assert desk.pick(Close) == [Close(3000)]


def test_in_the_background_pings_may_be_rarer() -> None:
    desk = Desk().live()
    desk.do(desk.session.background(1, True, desk.now))
    assert desk.writes() == [{"op": "background", "id": 2, "on": True}]
    desk.hear({"re": 2, "ok": {}})
    desk.wait(124_999)
    assert desk.pick(Close) == []
    desk.wait(1)
    assert desk.pick(Close) == [Close(3000)]
    desk.lose()
    assert desk.hello()["background"] is True


def test_a_driver_that_did_not_read_does_not_blame_the_server() -> None:
    desk = Desk().live()
    desk.now = 62_400
    desk.session.unpaused(desk.now)
    desk.wait(200)
    assert desk.pick(Close) == []


def test_a_driver_that_did_not_read_does_not_ask_again_what_may_be_answered_already() -> None:
    desk = Desk().live()
    desk.ask(1)
    desk.now = 9_900
    desk.session.unpaused(desk.now)
    desk.wait(9_999)
    assert "message.read" not in [write["op"] for write in desk.writes()]
    desk.wait(1)
    assert "message.read" in [write["op"] for write in desk.writes()]
