"""Sockets that do not keep up: slices, the budget, the ring, and live events that wait or are dropped."""

from actors.effects import (
    Asked,
    Deliver,
    Reply,
    Tell,
    Wake,
    Woken,
    connection_address,
)
from actors.user import SLICE, STUCK_MS
from actors.user_commands import (
    Acked,
    Delivered,
    Detach,
    Drained,
    Filled,
    PostGone,
    Related,
    Report,
    SetBackground,
    Shed,
)
from protocol.codec import Encoded
from protocol.errors import TOO_SLOW
from protocol.ids import UserId
from protocol.live import FeedNew, PostRemoved, Preview, TrayChanged, UploadMoved
from protocol.posts import PostId
from protocol.replies import Done, Welcome
from protocol.trays import StoryId, TrayStory
from tests.actors.devices import (
    BUDGET,
    NOW,
    RING,
    YOU,
    attach,
    fill,
    later,
    message,
    told,
    typing,
    user,
    without_presence,
    written,
)

STORY = TrayStory(StoryId("9"), NOW, close_friends=False)

# -- slow readers ---------------------------------------------------------------------------------------------------


def test_a_full_socket_gets_the_rest_slice_by_slice_as_it_drains() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    c = fill(actor, 2 * SLICE)
    got: list[object] = []
    while len(got) < c - 1:
        effects = actor.handle(Drained(3), NOW)
        got += written(effects, 3)
        assert (effects[-1] == Tell(connection_address(3), Report())) == (len(got) < c - 1)
        assert sum(e.body.encoded.size for e in effects if isinstance(e, Deliver)) < SLICE + 11_000
    assert got == list(range(1, c))
    assert written(actor.handle(message(c), NOW), 3) == [c]


def test_past_its_budget_a_connection_without_progress_is_closed_after_ten_seconds() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    c = fill(actor, BUDGET - 10_000)
    wake = Wake(later(STUCK_MS), "3")
    assert actor.handle(message(c, 10_000), NOW) == [wake]
    assert actor.handle(message(c + 1), NOW) == []
    assert actor.handle(Woken("3"), later(STUCK_MS - 1)) == [wake]
    assert without_presence(actor.handle(Woken("3"), later(STUCK_MS))) == [
        Tell(connection_address(3), TOO_SLOW),
        Wake(later(STUCK_MS + 300_000), "claims"),
    ]
    assert actor.handle(Drained(3), later(STUCK_MS)) == []
    assert actor.handle(Filled(3), later(STUCK_MS)) == []
    assert without_presence(actor.handle(Woken("3"), later(STUCK_MS))) == []
    assert without_presence(actor.handle(Detach(3, goodbye=False), later(STUCK_MS))) == []


def test_progress_starts_the_ten_seconds_anew() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    fill(actor, 2 * BUDGET)
    actor.handle(Drained(3), later(6_000))
    assert actor.handle(Woken("3"), later(STUCK_MS)) == [Wake(later(6_000 + STUCK_MS), "3")]
    assert told(actor.handle(Woken("3"), later(6_000 + STUCK_MS))) == [Tell(connection_address(3), TOO_SLOW)]


def test_a_connection_that_is_within_its_budget_again_is_left_alone() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    fill(actor, BUDGET)
    actor.handle(Drained(3), later(1))
    assert actor.handle(Woken("3"), later(60_000)) == []
    assert actor.handle(Woken("3"), later(60_000)) == []


def test_a_connection_that_caught_up_and_fell_behind_again_has_ten_seconds_from_then() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    c = fill(actor, BUDGET)
    while told(actor.handle(Drained(3), NOW)):
        pass
    actor.handle(Acked(3, "e", c), NOW)
    actor.handle(Filled(3), later(8_000))
    assert actor.handle(message(c, BUDGET), later(9_000)) == [Wake(later(9_000 + STUCK_MS), "3")]
    assert actor.handle(Woken("3"), later(STUCK_MS)) == [Wake(later(9_000 + STUCK_MS), "3")]


def test_a_client_that_resumes_far_behind_is_watched_from_the_start() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Detach(3, goodbye=False), NOW)
    fill(actor, BUDGET + 2 * SLICE)
    assert actor.handle(attach(4, resume=0), later(5))[-1] == Wake(later(5 + STUCK_MS), "4")


def test_when_the_ring_is_full_the_oldest_goes_and_whoever_needs_it_starts_anew() -> None:
    actor = user()
    actor.handle(attach(3, "phone"), NOW)
    actor.handle(attach(4, "web"), NOW)
    actor.handle(Filled(3), NOW)
    c = fill(actor, RING - 10_000)
    assert told(actor.handle(message(c, 10_000), NOW)) == [Tell(connection_address(3), TOO_SLOW)]
    assert actor.handle(Drained(3), NOW) == []
    effects = actor.handle(message(c + 1, 10_000), NOW)
    assert written(effects, 4) == [c + 1]
    assert not told(effects)
    reply = actor.handle(attach(5, "phone", resume=0), NOW)[0]
    assert isinstance(reply, Reply)
    assert isinstance(reply.result, Welcome)
    assert reply.result.outcome == "resync"


def test_an_event_larger_than_the_ring_is_sent_and_not_kept() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    assert written(actor.handle(message(1, RING + 1), NOW), 3) == [1]
    reply = actor.handle(attach(4, "web", resume=0), NOW)[0]
    assert isinstance(reply, Reply)
    assert isinstance(reply.result, Welcome)
    assert reply.result.outcome == "resync"


# -- live events ----------------------------------------------------------------------------------------------------


def test_a_live_event_goes_at_once_to_whoever_is_here_and_looking() -> None:
    actor = user()
    actor.handle(attach(3, "phone"), NOW)
    actor.handle(attach(4, "web", background=True), NOW)
    actor.handle(attach(5, "tablet"), NOW)
    actor.handle(Detach(5, goodbye=False), NOW)
    live = typing()
    assert actor.handle(live, NOW) == [Deliver((connection_address(3),), live.encoded)]
    assert user().handle(live, NOW) == []


def test_live_events_that_wait_are_replaced_by_newer_ones_of_the_same_person() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    third = UserId("3")
    for live in (typing("text"), typing("voice", third), typing("stop")):
        assert actor.handle(live, NOW) == []
    waiting = [typing("voice", third).encoded.event, typing("stop").encoded.event]
    assert written(actor.handle(Drained(3), NOW), 3) == waiting
    assert written(actor.handle(Drained(3), NOW), 3) == []


def test_live_events_are_dropped_past_three_quarters_of_the_budget() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    actor.handle(typing("text"), NOW)
    c = fill(actor, BUDGET * 3 // 4 - 15_000)
    actor.handle(typing("voice", UserId("3")), NOW)
    actor.handle(message(c, 20_000), NOW)
    actor.handle(typing("stop"), NOW)
    seen: list[object] = []
    for _ in range(4):
        seen += written(actor.handle(Drained(3), NOW), 3)
    assert seen == list(range(1, c + 1))


def test_what_waits_of_somebody_who_may_not_be_seen_any_more_is_not_told() -> None:
    actor = user()
    for connection, device in ((3, "phone"), (4, "web")):
        actor.handle(attach(connection, device), NOW)
    actor.handle(Filled(3), NOW)
    gone = Delivered(Encoded(TrayChanged("remove", YOU, ())))
    news = [FeedNew(YOU, "8", NOW, Preview(1, 1)), TrayChanged("add", YOU, (STORY,))]
    mine = Delivered(Encoded(UploadMoved("7", "processing")))
    for live in (*map(Delivered, map(Encoded, news)), gone, typing("text"), typing("stop", UserId("3")), mine):
        actor.handle(live, NOW)
    assert actor.handle(Related(), NOW) == []
    kept = [gone.encoded.event, typing("stop", UserId("3")).encoded.event, mine.encoded.event]
    assert written(actor.handle(Drained(3), NOW), 3) == kept
    actor.handle(Filled(3), NOW)
    assert actor.handle(Related(), NOW) == []
    assert written(actor.handle(Drained(3), NOW), 3) == []


def test_a_post_that_is_gone_is_not_told_as_new_by_what_waits_and_who_shows_it_is_told() -> None:
    actor = user()
    for connection, device in ((3, "phone"), (4, "web"), (5, "tablet")):
        actor.handle(attach(connection, device), NOW)
    for connection in (3, 4):
        actor.handle(Filled(connection), NOW)
    news = [Delivered(Encoded(FeedNew(YOU, post, NOW, Preview(1, 1)))) for post in ("7", "8")]
    for one in news:
        actor.handle(one, NOW)
    gone = Encoded(PostRemoved(PostId("8")))
    keys = {("feed.new", "8"), ("feed.new", "9")}
    assert actor.keeps(keys) == {("feed.new", "8")}
    assert actor.handle(PostGone(gone, 3), NOW) == [Deliver((connection_address(3),), gone)]
    assert actor.keeps(keys) == set()
    for connection in (3, 4):
        assert written(actor.handle(Drained(connection), NOW), connection) == [news[0].encoded.event]


def test_of_a_post_that_is_gone_nobody_is_told_who_does_not_show_it_or_has_left() -> None:
    actor = user()
    gone = Encoded(PostRemoved(PostId("8")))
    actor.handle(attach(3), NOW)
    assert actor.handle(PostGone(gone), NOW) == []
    actor.handle(Filled(3), NOW)
    assert actor.handle(PostGone(gone), NOW) == []
    assert actor.handle(PostGone(gone, 4), NOW) == []
    actor.handle(Detach(3, goodbye=False), NOW)
    assert actor.handle(PostGone(gone), NOW) == []


def test_what_other_devices_have_straight_is_kept_for_the_one_that_takes_no_more() -> None:
    actor = user()
    for connection, device in ((3, "phone"), (4, "web"), (5, "tablet")):
        actor.handle(attach(connection, device, background=connection == 4), NOW)
    assert actor.connections == [3, 4, 5]
    actor.handle(Filled(3), NOW)
    new = Delivered(typing().encoded, only=3)
    assert actor.handle(new, NOW) == []
    assert written(actor.handle(Drained(3), NOW), 3) == [new.encoded.event]
    assert actor.handle(new, NOW) == [Deliver((connection_address(3),), new.encoded)]
    assert actor.handle(Delivered(new.encoded, only=4), NOW) == []


def test_the_end_of_a_story_takes_the_place_of_its_beginning_that_waits() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    for change in ("add", "seen", "remove"):
        actor.handle(Delivered(Encoded(TrayChanged(change, YOU, (STORY,)))), NOW)
    waited = written(actor.handle(Drained(3), NOW), 3)
    assert [event.change for event in waited] == ["seen", "remove"]  # type: ignore[attr-defined]


def test_in_the_background_no_live_event_is_sent_not_even_one_that_waited() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Filled(3), NOW)
    actor.handle(typing(), NOW)
    effects = actor.handle(SetBackground(Asked(3, 5), on=True), NOW)
    assert without_presence(effects) == [Reply(Asked(3, 5), Done())]
    assert actor.handle(Drained(3), NOW) == []
    assert actor.handle(typing(), NOW) == []
    actor.handle(SetBackground(Asked(3, 6), on=False), NOW)
    assert len(actor.handle(typing(), NOW)) == 1
    assert actor.handle(SetBackground(Asked(9, 6), on=True), NOW) == [Reply(Asked(9, 6), Done())]


def test_a_user_who_is_told_to_shed_keeps_that_much_and_gives_up_whoever_was_further_behind() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(attach(4, "web"), NOW)
    actor.handle(Filled(4), NOW)
    fill(actor, BUDGET // 2)
    assert (actor.devices, actor.ring_bytes > BUDGET // 2) == (2, True)
    assert actor.handle(Shed(actor.ring_bytes), NOW) == []
    effects = actor.handle(Shed(BUDGET // 4), NOW)
    assert told(effects) == [Tell(connection_address(4), TOO_SLOW)]
    assert actor.ring_bytes <= BUDGET // 4
