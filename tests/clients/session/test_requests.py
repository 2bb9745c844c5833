"""Requests: their answers, refusals, repeats and pace."""

from __future__ import annotations

import pytest

from tests.clients.session.desk import Desk, error
from tidings_client import (
    OutcomeUnknown,
    QueueFull,
    Refused,
    SendEnded,
)
from tidings_client.effects import Close, Connect


@pytest.mark.parametrize(
    "code", ["bad_request", "unknown_op", "forbidden", "not_found", "conflict_state", "id_reused", "too_large"]
)
def test_a_final_refusal_is_the_answer(code: str) -> None:
    desk = Desk().live()
    desk.ask(1)
    desk.hear(error(desk.writes()[0], code))
    assert isinstance(desk.answers()[1], Refused)
    assert desk.answers()[1].code == code


@pytest.mark.parametrize("code", ["out_of_order", "rate_limited", "unavailable", "unknown_outcome", "internal", "new"])
def test_a_request_that_may_be_repeated_is_sent_again_when_the_server_says(code: str) -> None:
    desk = Desk().live()
    desk.ask(1)
    desk.hear(error(desk.writes()[0], code, retry_ms=300))
    desk.wait(299)
    assert desk.writes() == []
    desk.wait(1)
    assert [write["id"] for write in desk.writes()] == [3]


@pytest.mark.parametrize("code", ["internal", "a_code_of_next_year"])
def test_an_internal_error_is_tried_three_times_and_then_shown_as_unknown(code: str) -> None:
    desk = Desk().live()
    desk.send(1, "mine")
    for _ in range(2):
        desk.hear(error(desk.writes()[0], code, retry_ms=10))
        desk.wait(10)
    desk.hear(error(desk.writes()[0], code))
    unknown = desk.answers()[1]
    assert isinstance(unknown, OutcomeUnknown)
    assert unknown.cid == "mine"


def test_a_request_without_reply_is_sent_again_after_ten_seconds_and_a_late_reply_counts() -> None:
    desk = Desk().live()
    desk.ask(1)
    (first,) = desk.writes()
    desk.wait(10_000)
    assert [write["op"] for write in desk.writes() if write["op"] != "ack"] == [first["op"]]
    desk.hear({"re": first["id"], "ok": {"late": True}})
    assert desk.answers() == {1: {"late": True}}
    assert desk.hear({"re": first["id"] + 1, "ok": {}}) == []


def test_requests_that_flew_leave_again_on_the_next_connection_in_their_order() -> None:
    desk = Desk().live()
    for ticket, op in ((1, "a"), (2, "b"), (3, "c")):
        desk.ask(ticket, op)
    desk.lose()
    desk.ask(4, "d")
    assert desk.writes() == []
    desk.hello()
    desk.welcome("resumed")
    assert [(write["op"], write["id"]) for write in desk.writes()] == [("a", 2), ("b", 3), ("c", 4), ("d", 5)]


def test_an_unauthenticated_request_is_repeated_once_with_a_fresh_token() -> None:
    desk = Desk().live()
    desk.ask(1)
    desk.hear(error(desk.writes()[0], "unauthenticated"))
    assert desk.pick(Close) == [Close(3000)]
    desk.lose(3000)
    assert [plan.fresh_token for plan in desk.pick(Connect)] == [True]
    desk.hello()
    desk.welcome("resumed")
    desk.hear(error(desk.writes()[0], "unauthenticated"))
    assert desk.answers()[1].code == "unauthenticated"


def test_requests_keep_the_pace_hello_was_told() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome(requests_per_s=10, burst=10)
    for ticket in range(1, 30):
        desk.ask(ticket)
    left = 0
    for _ in range(20):
        left += len([write for write in desk.writes() if write["op"] != "ack"])
        desk.wait(100)
    assert desk.session.wake_at is not None
    assert 15 <= left <= 10 + 20


def test_typing_is_dropped_offline_and_above_its_limit() -> None:
    desk = Desk()
    assert desk.session.typing("7", "text", 0) == []
    desk.hello()
    desk.welcome(typing_per_s=1 / 3)
    sent = [bool(desk.session.typing("7", "text", now)) for now in (0, 1_000, 4_000)]
    assert sent == [True, False, True]


def test_a_request_too_many_is_refused_at_once() -> None:
    desk = Desk(waiting=2)
    desk.ask(1)
    desk.send(2, "a")
    desk.ask(3)
    assert isinstance(desk.answers()[3], QueueFull)
    desk.send(4, "b")
    assert isinstance(desk.answers()[4], QueueFull)


def test_a_message_larger_than_the_server_takes_is_refused_here() -> None:
    desk = Desk().live()
    desk.send(1, "large")
    desk.do(desk.session.too_large(desk.writes()[0]["id"], 70_000, desk.now))
    assert desk.answers()[1].code == "too_large"


def test_what_flew_when_the_server_closed_with_1009_is_not_sent_again() -> None:
    desk = Desk().live()
    desk.send(1, "a")
    desk.lose(1009)
    assert isinstance(desk.answers()[1], OutcomeUnknown)
    desk.hello()
    desk.welcome("resumed")
    assert desk.writes() == []


def test_an_abandoned_request_is_withdrawn_and_an_abandoned_send_goes_on() -> None:
    desk = Desk().live()
    desk.ask(1)
    (request,) = desk.writes()
    desk.send(2, "a")
    (send,) = desk.writes()
    desk.session.abandon(1)
    desk.session.abandon(2)
    assert desk.hear({"re": request["id"], "ok": {}}) == []
    desk.hear({"re": send["id"], "ok": {"c": 3, "at": 1}})
    assert desk.answers() == {}
    assert desk.events() == [SendEnded("7", "a", 3, None)]
