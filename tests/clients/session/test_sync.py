"""What a session asks for when its stream broke: syncs, snapshots, listings."""

from __future__ import annotations

from tests.clients.session.desk import Desk, conversation, error, message, places, snapshot
from tidings_client import (
    ConversationGone,
    Notifications,
    ProtocolFault,
    Snapshot,
    Stored,
)
from tidings_client.effects import Close, Keep, Stop


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
    assert Notifications(1, (), None) in desk.events()
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


def test_an_answer_that_was_under_way_does_not_undo_what_became_of_a_request() -> None:
    for folder, settings, shown in (("declined", {}, "declined"), ("inbox", {"archived": True}, "archive")):
        desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
        desk.hello()
        desk.welcome("resync")
        desk.hear({"ev": "settings", "conversation": "7", "folder": folder, "u": 1})
        item = conversation(last_c=2, folder="requests", settings=settings) | {"events": [], "more": False}
        desk.hear({"re": 2, "ok": {"conversations": [item], "now": 2_000}})
        (state,) = desk.events()
        assert (state.conversation.folder, state.conversation.settings) == (shown, settings)


def test_what_was_declined_is_not_caught_up_with() -> None:
    desk = Desk(Stored("me", ("old", 5), 900, {"7": 2}))
    desk.hello()
    desk.welcome("resync")
    desk.hear({"re": 2, "ok": {"conversations": [conversation(last_c=9, folder="declined")], "now": 2_000}})
    assert [state.conversation.folder for state in desk.events()] == ["declined"]
    assert desk.writes() == []


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
