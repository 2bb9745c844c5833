"""The session by hand: messages in, effects out, one rule of the contract at a time."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from tidings_client import (
    AuthenticationFailed,
    Closed,
    ConversationGone,
    ConversationState,
    Message,
    Offline,
    Online,
    Other,
    OutcomeUnknown,
    ProtocolFault,
    QueueFull,
    Refused,
    Revoked,
    SendEnded,
    Session,
    Settings,
    Snapshot,
    Stored,
    Typing,
    Unsent,
    WrongUser,
)
from tidings_client.effects import Answer, Close, Connect, Effect, HandOn, Keep, Stop, Write

Kind = TypeVar("Kind")
Body = dict[str, Any]


class Desk:
    """A session with its clock. Inputs return the effects; `write` and its kin pick from the last ones."""

    def __init__(self, stored: Stored | None = None, **settings: Any) -> None:
        device = {"id": "d", "platform": "test", "app": "test"}
        self.session = Session(Settings(device, **settings), stored or Stored(), lambda: 0.5)
        self.now = 0
        self.last: list[Effect] = []
        self.do(self.session.start(0))

    def do(self, effects: list[Effect]) -> list[Effect]:
        self.last = effects
        return effects

    def hear(self, message: Body) -> list[Effect]:
        return self.do(self.session.received(message, self.now))

    def wait(self, ms: int) -> list[Effect]:
        self.now += ms
        return self.do(self.session.tick(self.now))

    def lose(self, code: int | None = None, reason: str = "") -> list[Effect]:
        return self.do(self.session.lost(code, reason, self.now))

    def hello(self) -> Body:
        self.do(self.session.opened("token", self.now))
        return self.writes()[0]

    def welcome(self, outcome: str = "fresh", u: int = 0, epoch: str = "e", **limits: float) -> list[Effect]:
        ok = {"session": "s", "user": "me", "epoch": epoch, "u": u, "outcome": outcome, "ping_ms": 25_000}
        return self.hear({"re": 1, "ok": ok | {"now": 1_000, "limits": {"message_bytes": 65_536, **limits}}})

    def live(self, *conversations: Body, u: int = 0) -> Desk:
        self.hello()
        self.welcome(u=u)
        self.hear({"ev": "snapshot", "conversations": list(conversations), "me": {}, "now": 1_000})
        self.hear({"ev": "synced", "u": u})
        return self

    def ask(self, ticket: int, op: str = "message.read") -> list[Effect]:
        return self.do(self.session.ask(ticket, op, {}, self.now))

    def send(self, ticket: int, cid: str, text: str = "x") -> list[Effect]:
        return self.do(self.session.send(ticket, Unsent("7", cid, {"text": text}), self.now))

    def pick(self, kind: type[Kind]) -> list[Kind]:
        return [effect for effect in self.last if isinstance(effect, kind)]

    def writes(self) -> list[Body]:
        return [effect.message for effect in self.pick(Write)]

    def events(self) -> list[Any]:
        return [effect.event for effect in self.pick(HandOn)]

    def answers(self) -> dict[int, Any]:
        return {effect.ticket: effect.result for effect in self.pick(Answer)}


def message(c: int, u: int | None = None, conversation: str = "7") -> Body:
    body: Body = {"ev": "message", "conversation": conversation, "c": c, "from": "you", "cid": f"x{c}", "at": 1}
    return body | {"text": f"{c}"} | ({} if u is None else {"u": u})


def conversation(name: str = "7", last_c: int = 0, joined_c: int = 0, **more: Any) -> Body:
    return {"id": name, "kind": "group", "members": [], "last_c": last_c, "joined_c": joined_c, **more}


def places(events: list[Any]) -> list[int]:
    return [event.c for event in events if isinstance(event, Message)]


def error(request: Body, code: str, **more: Any) -> Body:
    return {"re": request["id"], "err": {"code": code, "message": "m", **more}}


# hello


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


# the stream


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


# sync


def test_a_resync_with_stored_heads_asks_for_what_is_missing() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2, "8": 0, "9": 1}))
    desk.hello()
    desk.welcome("resync", u=40)
    assert desk.writes() == [{"op": "sync", "id": 2, "heads": {"7": 2, "8": 0, "9": 1}, "since": 900}]
    desk.hear({"ev": "synced", "u": 40})
    full = conversation(last_c=4) | {"events": [message(3), message(4)], "more": False}
    more = conversation("8", last_c=2) | {"events": [message(1, conversation="8")], "more": True}
    gone = {"id": "9", "gone": True}
    desk.hear({"re": 2, "ok": {"conversations": [full, more, gone], "now": 2_000, "notifications": {"badge": 1}}})
    assert places(desk.events()) == [3, 4, 1]
    assert ConversationGone("9") in desk.events()
    assert any(isinstance(event, Other) for event in desk.events())
    assert [write["after"] for write in desk.writes()] == [1]
    desk.hear({"re": 3, "ok": {"events": [message(2, conversation="8")], "more": False}})
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    kept = [effect.change for effect in desk.pick(Keep)]
    assert kept[-1].position == ("e", 40)
    assert kept[-1].since == 2_000
    assert desk.writes()[-1]["heads"] == {"7": 4, "8": 2}


def test_the_position_of_a_new_stream_is_not_kept_before_its_sync_is_stored() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync", u=40)
    desk.hear(message(3, 41))
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    assert [effect.change.position for effect in desk.pick(Keep)] == [None]
    assert desk.writes()[-1] == {"op": "ack", "epoch": "e", "u": 0}


def test_what_was_stored_of_the_old_stream_is_no_position_in_the_new_one() -> None:
    desk = Desk(Stored("me", ("e", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resumed", u=5)
    desk.hear({"ev": "synced", "u": 5})
    desk.hear(message(3, 6))
    desk.session.taken(10**6, desk.now)
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    desk.wait(500)
    assert [(effect.change.position, effect.change.heads) for effect in desk.pick(Keep)] == [(None, {"7": 3})]


def test_more_than_a_thousand_heads_are_synced_in_several_requests() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {f"{n}": 1 for n in range(2_500)}))
    desk.hello()
    desk.welcome("resync")
    seen = []
    while desk.writes():
        (request,) = desk.writes()
        seen.append((len(request["heads"]), request.get("only"), request.get("cursor")))
        cursor = {"cursor": "c"} if len(seen) == 1 else {}
        desk.hear({"re": request["id"], "ok": {"conversations": [], "now": 2_000, **cursor}})
    assert seen == [(1_000, True, None), (1_000, True, "c"), (1_000, True, None), (500, None, None)]


def test_a_sync_whose_cursor_is_refused_starts_over() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 1}))
    desk.hello()
    desk.welcome("resync")
    desk.hear({"re": 2, "ok": {"conversations": [], "now": 2_000, "cursor": "c"}})
    desk.hear(error(desk.writes()[0], "bad_request"))
    assert "cursor" not in desk.writes()[0]


def test_a_server_that_refuses_sync_stops_the_client() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 1}))
    desk.hello()
    desk.welcome("resync")
    desk.hear(error(desk.writes()[0], "unknown_op"))
    assert [type(stop.error) for stop in desk.pick(Stop)] == [ProtocolFault]
    assert desk.pick(Close) == [Close(1000)]


def test_continuity_changes_the_stream_in_place_and_syncs() -> None:
    desk = Desk().live(conversation(last_c=2))
    desk.session.taken(10**6, desk.now)
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    assert desk.writes() == [{"op": "sync", "id": 2, "heads": {"7": 2}, "since": 1_000}]
    assert desk.session.position == ("f", 0)


def test_an_unnamed_conversation_of_a_sync_is_read_from_my_joining_on() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync")
    desk.hear({"re": 2, "ok": {"conversations": [conversation("8", last_c=9, joined_c=5)], "now": 2_000}})
    assert [(write["op"], write["after"]) for write in desk.writes()] == [("message.history", 4)]


def test_a_sync_tells_of_more_in_a_conversation_that_is_being_asked_for() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resumed", u=5)
    desk.hear(message(1, 6, "8"))
    desk.lose()
    desk.hello()
    desk.welcome("resync")
    asked, sync = sorted(desk.writes(), key=lambda request: str(request["op"]))
    desk.hear({"re": sync["id"], "ok": {"conversations": [conversation("8", last_c=3)], "now": 2_000}})
    desk.hear({"re": asked["id"], "ok": conversation("8", last_c=3)})
    assert places(desk.events()) == [1]
    assert [(write["op"], write["after"]) for write in desk.writes()] == [("message.history", 1)]


def test_an_answer_that_was_under_way_does_not_undo_the_settings_told_since() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync")
    desk.hear({"ev": "settings", "conversation": "7", "draft": "new", "u": 1})
    shown = conversation(last_c=2, settings={"draft": "old", "pinned": True}) | {"events": [], "more": False}
    desk.hear({"re": 2, "ok": {"conversations": [shown], "now": 2_000}})
    (state,) = desk.events()
    assert state.conversation.settings == {"draft": "new", "pinned": True}


def test_settings_that_an_answer_shows_count_until_an_event_tells_of_later_ones() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync")
    desk.hear(message(1, 1, "8"))
    (asked,) = desk.writes()
    desk.hear({"ev": "settings", "conversation": "8", "draft": "first", "u": 2})
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    (sync,) = desk.writes()
    desk.hear({"re": sync["id"], "ok": {"conversations": [conversation("8", settings={"draft": "second"})], "now": 5}})
    desk.hear({"re": asked["id"], "ok": conversation("8", last_c=1, settings={})})
    assert desk.events()[0].conversation.settings == {"draft": "second"}


def test_an_answer_that_could_not_be_read_is_asked_for_again_on_the_next_connection() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync", u=3)
    desk.hear({"re": 2, "ok": {"conversations": [{"id": "7"}], "now": 2_000}})
    assert desk.pick(Close) == [Close(3000)]
    desk.lose(3000)
    desk.hello()
    desk.welcome("resumed", u=3)
    assert [write["op"] for write in desk.writes()] == ["sync"]


def test_a_snapshot_never_moves_a_head_that_is_known() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome()
    desk.hear(message(3, 1))
    desk.hear({"ev": "snapshot", "conversations": [conversation(last_c=9)], "me": {}, "now": 5})
    assert isinstance(desk.events()[0], Snapshot)
    assert desk.session.heads == {}


def test_a_snapshot_tells_of_more_in_a_conversation_that_is_known() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome()
    desk.ask(1, "conversation.open")
    desk.hear({"re": 2, "ok": {"conversation": conversation(last_c=1)}})
    desk.hear({"ev": "snapshot", "conversations": [conversation(last_c=1)], "me": {}, "now": 5})
    assert [(write["op"], write["after"]) for write in desk.writes()] == [("message.history", 0)]


def snapshot(*conversations: Body, **more: Any) -> Body:
    return {"ev": "snapshot", "conversations": list(conversations), "me": {}, "now": 1_000, **more}


def listing() -> Desk:
    """A snapshot has come with the first of several pages."""
    desk = Desk()
    desk.hello()
    desk.welcome(u=40)
    desk.hear(snapshot(conversation("1", last_c=9), next="p2"))
    return desk


def test_conversations_that_did_not_fit_into_the_snapshot_are_listed_and_start_at_their_end() -> None:
    desk = listing()
    assert desk.writes() == [{"op": "conversation.list", "id": 2, "folder": "inbox", "before": "p2", "limit": 50}]
    desk.hear({"ev": "synced", "u": 40})
    desk.session.taken(10**6, desk.now)
    desk.hear({"re": 2, "ok": {"items": [conversation("2", last_c=8)], "next": "p3"}})
    assert [event.conversation.id for event in desk.events()] == ["2"]
    assert desk.writes()[0]["before"] == "p3"
    desk.wait(500)
    assert [effect.change.position for effect in desk.pick(Keep)] == [None]
    desk.hear({"re": 3, "ok": {"items": [conversation("3", last_c=7)]}})
    assert [write["op"] for write in desk.writes()] == []
    desk.session.taken(10**6 + 1, desk.now)
    desk.wait(500)
    (kept,) = [effect.change for effect in desk.pick(Keep)]
    assert (kept.position, kept.since) == (("e", 40), 1_000)
    assert desk.session.heads == {"1": 9, "2": 8, "3": 7}


def test_a_listing_goes_on_with_the_next_connection() -> None:
    desk = listing()
    desk.lose()
    desk.hello()
    desk.welcome("resumed", u=40)
    assert [(write["op"], write["before"]) for write in desk.writes()] == [("conversation.list", "p2")]
    desk.hear({"re": 2, "ok": {"items": [{"id": "2"}]}})
    assert desk.pick(Close) == [Close(3000)]
    desk.lose(3000)
    desk.hello()
    desk.welcome("resumed", u=40)
    assert [(write["op"], write["before"]) for write in desk.writes()] == [("conversation.list", "p2")]


def test_a_listing_that_is_refused_is_left_at_that() -> None:
    desk = listing()
    desk.hear(error(desk.writes()[0], "bad_request"))
    desk.session.taken(10**6, desk.now)
    desk.wait(500)
    assert [effect.change.position for effect in desk.pick(Keep)] == [("e", 40)]


def test_a_stream_that_breaks_while_listing_is_synced_from_the_snapshot_on_and_the_listing_ends() -> None:
    desk = listing()
    desk.session.taken(10**6, desk.now)
    desk.hear({"ev": "continuity", "epoch": "f", "u": 0})
    assert desk.writes() == [{"op": "sync", "id": 3, "heads": {"1": 9}, "since": 1_000}]
    desk.hear({"re": 3, "ok": {"conversations": [], "now": 2_000}})
    desk.session.taken(10**6 + 1, desk.now)
    desk.wait(500)
    assert [effect.change.position for effect in desk.pick(Keep)] == [None]
    desk.hear({"re": 2, "ok": {"items": [conversation("2", last_c=8)]}})
    desk.session.taken(10**6 + 2, desk.now)
    desk.wait(500)
    (kept,) = [effect.change for effect in desk.pick(Keep)]
    assert (kept.position, kept.since, kept.heads) == (("f", 0), 2_000, {"2": 8})


def test_another_snapshot_begins_its_own_listing() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome()
    desk.hear(snapshot(next="p2"))
    desk.lose()
    desk.hello()
    desk.welcome("resync")
    assert desk.writes() == []
    desk.hear(snapshot(next="q2"))
    assert [write["before"] for write in desk.writes()] == ["q2"]


# ping, ack, liveness


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


# an application that is behind


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


# requests


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


# sends


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


# the end


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
