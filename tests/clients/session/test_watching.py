"""Who is on screen: the last watch is said again where the server does not know it any more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.session.desk import Desk, error
from tidings_client import Presence

Body = dict[str, Any]
ADA = {"user": "7", "state": "online"}


def watch(desk: Desk, ticket: int, *users: str, **more: Any) -> None:
    desk.do(desk.session.ask(ticket, "presence.watch", {"users": list(users), **more}, desk.now))


def watched(desk: Desk) -> list[Body]:
    return [write for write in desk.writes() if write["op"] == "presence.watch"]


def answer(desk: Desk, write: Body, *people: Body) -> None:
    desk.hear({"re": write["id"], "ok": {"users": list(people)}})


def watching(*users: str, **more: Any) -> Desk:
    """A session whose watch was answered."""
    desk = Desk().live()
    watch(desk, 1, *users, **more)
    answer(desk, *watched(desk))
    return desk


def come_back(desk: Desk, outcome: str = "resumed") -> None:
    desk.lose()
    desk.hello()
    desk.welcome(outcome)


@pytest.mark.parametrize("outcome", ["resumed", "fresh", "resync"])
def test_a_watch_is_said_again_on_the_next_connection_and_its_answer_is_told_as_events(outcome: str) -> None:
    desk = watching("7", conversation="9")
    come_back(desk, outcome)
    [write] = watched(desk)
    assert (write["users"], write["conversation"]) == (["7"], "9")
    answer(desk, write, ADA)
    assert desk.events() == [Presence("7", "online", None, None)]
    assert desk.answers() == {}


def test_a_watch_is_said_again_when_the_stream_begins_anew_on_the_same_connection() -> None:
    desk = watching("7")
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    assert [write["users"] for write in watched(desk)] == [["7"]]


def test_a_watch_is_said_again_after_the_background_in_which_nothing_is_told() -> None:
    desk = watching("7")
    desk.do(desk.session.background(2, True, desk.now))
    assert watched(desk) == []
    desk.do(desk.session.background(3, False, desk.now))
    assert [write["op"] for write in desk.writes()] == ["background", "presence.watch"]


def test_nothing_is_said_again_where_nothing_was_watched_or_is_any_more() -> None:
    for desk in (Desk().live(), watching()):
        come_back(desk)
        assert watched(desk) == []


def test_a_watch_without_its_answer_leaves_again_once() -> None:
    desk = Desk().live()
    watch(desk, 1, "7")
    come_back(desk)
    [write] = watched(desk)
    answer(desk, write, ADA)
    assert desk.answers() == {1: {"users": [ADA]}}
    come_back(desk)
    come_back(desk)
    assert len(watched(desk)) == 1


def test_a_new_watch_takes_the_place_of_one_that_is_being_said_again() -> None:
    desk = watching("7")
    come_back(desk)
    [repeated] = watched(desk)
    watch(desk, 2, "8")
    desk.hear(error(repeated, "unavailable", retry_ms=10))
    desk.wait(10)
    assert watched(desk) == []
    come_back(desk)
    assert [write["users"] for write in watched(desk)] == [["8"]]


def test_what_the_server_refuses_is_not_said_again_for_ever() -> None:
    desk = watching("7")
    come_back(desk)
    desk.hear(error(watched(desk)[0], "bad_request"))
    come_back(desk)
    assert watched(desk) == []


def test_people_are_not_worth_the_room_of_what_the_application_has_not_dealt_with() -> None:
    desk = Desk(queue=1).live()
    watch(desk, 1, "7")
    answer(desk, *watched(desk))
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    [write] = watched(desk)
    answer(desk, write, ADA)
    assert desk.events() == []
