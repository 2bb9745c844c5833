"""How a session begins: what hello says, and what becomes of its answers."""

from __future__ import annotations

import pytest

from tests.clients.session.desk import Desk, message
from tidings_client import (
    Offline,
    Online,
    ProtocolFault,
    Stored,
    WrongUser,
)
from tidings_client.effects import Close, Connect, Stop


@pytest.mark.parametrize("code", [1002, 1007, 1009])
def test_a_hello_that_the_server_cannot_read_is_not_sent_again(code: int) -> None:
    desk = Desk()
    desk.hello()
    desk.lose(code)
    assert [type(stop.error) for stop in desk.pick(Stop)] == [ProtocolFault]


def test_a_hello_that_cannot_be_written_ends_the_session() -> None:
    desk = Desk()
    desk.do(desk.session.too_large(desk.hello()["id"], 70_000, desk.now))
    assert [type(stop.error) for stop in desk.pick(Stop)] == [ProtocolFault]


def test_a_first_hello_asks_for_a_snapshot_and_to_be_followed_home() -> None:
    device = {"id": "d", "platform": "test", "app": "test"}
    assert Desk().hello() == {"op": "hello", "id": 1, "token": "token", "device": device, "follow": True}


def test_a_hello_with_stored_state_resumes_and_declines_the_snapshot() -> None:
    hello = Desk(Stored("me", ("e", 5), 9, {"7": 2}), background=True, follow=False).hello()
    assert hello["resume"] == {"epoch": "e", "u": 5}
    assert hello["snapshot"] is False
    assert hello["background"] is True
    assert "follow" not in hello


def test_a_session_without_its_snapshot_does_not_resume() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome()
    desk.hear(message(1, 1))
    desk.lose()
    hello = desk.hello()
    assert "resume" not in hello
    assert "snapshot" not in hello


def test_a_refused_hello_ends_the_session() -> None:
    desk = Desk()
    desk.hello()
    desk.hear({"re": 1, "err": {"code": "bad_request", "message": ""}})
    assert [type(stop.error) for stop in desk.pick(Stop)] == [ProtocolFault]


def test_an_overloaded_server_is_asked_again_when_it_says() -> None:
    desk = Desk()
    desk.hello()
    desk.hear({"re": 1, "err": {"code": "unavailable", "message": "", "retry_ms": 700}})
    assert desk.pick(Close) == [Close(3000)]
    assert desk.lose(3000) == [Connect(700)]


def test_a_hello_without_reply_is_given_up_after_ten_seconds() -> None:
    desk = Desk()
    desk.hello()
    assert desk.session.wake_at == 10_000
    desk.wait(10_000)
    assert desk.pick(Close) == [Close(3000)]


def test_a_bad_token_waits_for_the_close_code_to_say_what_is_wrong() -> None:
    for code, expected in ((4303, Stop), (4205, Connect), (None, Connect)):
        desk = Desk()
        desk.hello()
        assert desk.hear({"re": 1, "err": {"code": "unauthenticated", "message": ""}}) == []
        desk.lose(code)
        assert [type(effect) for effect in desk.last] == [expected]
        assert all(plan.fresh_token for plan in desk.pick(Connect))


def test_another_users_store_is_not_used() -> None:
    desk = Desk(Stored(user="somebody else"))
    desk.hello()
    desk.welcome()
    assert [type(stop.error) for stop in desk.pick(Stop)] == [WrongUser]
    assert desk.writes() == []


def test_the_session_hands_on_that_it_went_and_came_back() -> None:
    desk = Desk().live()
    assert desk.events() == [Online("fresh")]
    desk.lose(4100)
    assert desk.events() == [Offline(4100, 5_000)]
    desk.hello()
    desk.lose()
    assert desk.events() == []
