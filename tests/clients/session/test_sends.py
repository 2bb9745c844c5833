"""Sends: in order, one at a time or pipelined, their cids over reconnects and restarts."""

from __future__ import annotations

from tests.clients.session.desk import Desk, conversation, message, places
from tidings_client import (
    Refused,
    SendEnded,
    Stored,
    Unsent,
)
from tidings_client.effects import Keep, Write


def test_one_send_of_a_conversation_is_in_flight_and_they_leave_in_order() -> None:
    desk = Desk().live()
    desk.send(1, "a")
    assert [type(effect) for effect in desk.last] == [Keep, Write]
    assert desk.writes() == [{"op": "message.send", "id": 2, "conversation": "7", "cid": "a", "text": "x"}]
    desk.send(2, "b")
    assert desk.writes() == []
    desk.hear({"re": 2, "ok": {"c": 1, "at": 1}})
    assert desk.answers() == {1: {"c": 1, "at": 1}}
    assert [write["cid"] for write in desk.writes()] == ["b"]


def test_a_send_keeps_its_cid_over_reconnects() -> None:
    desk = Desk().live()
    desk.send(1, "a")
    desk.lose()
    desk.hello()
    desk.welcome("resumed")
    assert [write["cid"] for write in desk.writes()] == ["a"]


def test_my_own_event_answers_nothing_but_counts_as_applied() -> None:
    desk = Desk().live(conversation())
    desk.send(1, "a")
    desk.hear(message(1, 1) | {"from": "me", "cid": "a"})
    assert desk.answers() == {}
    assert places(desk.events()) == [1]
    desk.hear({"re": 2, "ok": {"c": 1, "at": 1}})
    assert desk.answers() == {1: {"c": 1, "at": 1}}
    assert desk.events() == []


def test_pipelined_sends_name_their_predecessor_while_it_is_undecided() -> None:
    desk = Desk(pipeline=3).live()
    after = []
    for ticket, cid in enumerate("abcd", 1):
        desk.send(ticket, cid)
        after += [(write["cid"], write.get("after")) for write in desk.writes()]
    desk.hear({"re": 2, "ok": {"c": 1, "at": 1}})
    after += [(write["cid"], write.get("after")) for write in desk.writes()]
    assert after == [("a", None), ("b", "a"), ("c", "b"), ("d", "c")]


def test_out_of_order_sends_again_from_the_first_that_is_undecided() -> None:
    desk = Desk(pipeline=3).live()
    for ticket, cid in enumerate("abc", 1):
        desk.send(ticket, cid)
    desk.hear({"re": 2, "err": {"code": "unavailable", "message": "", "retry_ms": 100}})
    desk.hear({"re": 3, "err": {"code": "out_of_order", "message": ""}})
    desk.hear({"re": 4, "err": {"code": "out_of_order", "message": ""}})
    assert desk.writes() == []
    desk.wait(100)
    assert [write["cid"] for write in desk.writes()] == ["a"]
    desk.hear({"re": 5, "ok": {"c": 1, "at": 1}})
    assert [(write["cid"], write.get("after")) for write in desk.writes()] == [("b", None), ("c", "b")]


def test_behind_a_refused_send_the_next_follows_the_one_before_it() -> None:
    desk = Desk(pipeline=3).live()
    for ticket, cid in enumerate("abc", 1):
        desk.send(ticket, cid)
    desk.hear({"re": 3, "err": {"code": "forbidden", "message": ""}})
    desk.lose()
    desk.hello()
    desk.welcome("resumed")
    assert [(write["cid"], write.get("after")) for write in desk.writes()] == [("a", None), ("c", "a")]


def test_the_same_cid_joins_the_send_that_waits_and_another_content_is_refused() -> None:
    desk = Desk()
    desk.send(1, "a")
    desk.send(2, "a")
    desk.send(3, "a", "other")
    assert desk.answers()[3].code == "id_reused"
    desk.live()
    desk.hear({"re": 2, "ok": {"c": 1, "at": 1}})
    assert desk.answers() == {1: {"c": 1, "at": 1}, 2: {"c": 1, "at": 1}}


def test_sends_of_an_earlier_process_leave_first_and_their_end_is_an_event() -> None:
    waiting = Unsent("7", "a", {"text": "x"})
    desk = Desk(Stored("me", unsent={("7", "a"): waiting})).live()
    desk.send(1, "b")
    desk.hear({"re": 2, "err": {"code": "forbidden", "message": "no"}})
    (ended,) = desk.events()
    assert isinstance(ended, SendEnded)
    assert isinstance(ended.error, Refused)
    assert [write["cid"] for write in desk.writes()] == ["b"]
