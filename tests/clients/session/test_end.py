"""How a session ends, and that everyone who waits is answered then."""

from __future__ import annotations

from tests.clients.session.desk import Desk, conversation
from tidings_client import (
    AuthenticationFailed,
    Closed,
    Revoked,
)
from tidings_client.effects import Close, Keep, Stop, Write


def test_goodbye_acknowledges_first_and_answers_everyone() -> None:
    desk = Desk().live(conversation(last_c=1))
    desk.session.taken(10**6, desk.now)
    desk.ask(1)
    desk.send(2, "a")
    desk.do(desk.session.leave(1000, desk.now))
    assert [type(effect) for effect in desk.last] == [Keep, Write, Close]
    desk.lose(1000)
    assert {ticket: type(answer) for ticket, answer in desk.answers().items()} == {1: Closed, 2: Closed}
    assert [type(stop.error) for stop in desk.pick(Stop)] == [Closed]
    desk.ask(3)
    assert isinstance(desk.answers()[3], Closed)


def test_leaving_while_away_is_the_end_at_once() -> None:
    desk = Desk()
    desk.do(desk.session.leave(3000, 0))
    assert [type(stop.error) for stop in desk.pick(Stop)] == [Closed]


def test_a_close_that_stops_the_client_answers_everyone_with_its_reason() -> None:
    desk = Desk().live()
    desk.ask(1)
    desk.lose(4304)
    assert isinstance(desk.answers()[1], Revoked)
    assert [type(stop.error) for stop in desk.pick(Stop)] == [Revoked]
    assert desk.lose(None) == []
    desk.ask(2)
    assert isinstance(desk.answers()[2], Revoked)


def test_a_driver_without_a_token_ends_the_session() -> None:
    desk = Desk()
    desk.ask(1)
    desk.do(desk.session.give_up(AuthenticationFailed("none")))
    assert isinstance(desk.answers()[1], AuthenticationFailed)
