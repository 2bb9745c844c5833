"""The one decision about preferences, and the hours in which nothing is pushed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.preferences import Decision, OffsetAt, decide, decide_message, quiet_until
from protocol.activity import Kind
from protocol.ids import ConversationId, Millis, UserId
from protocol.preferences import (
    DEFAULTS,
    Channels,
    Muted,
    Preferences,
    PreferencesChange,
    QuietHours,
    Relation,
    changed,
)

ADA = UserId("17")
NOW = Millis(1_795_219_200_000)
MINUTE_MS = 60_000
STRANGER = Relation()
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns")


def offset_at(zone: str, at: Millis) -> int:
    ahead = datetime.fromtimestamp(at / 1_000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert ahead is not None
    return int(ahead.total_seconds() // 60)


def deaf_to_summer(zone: str, at: Millis) -> int:
    return offset_at(zone, NOW)


def decided(preferences: Preferences, kind: Kind = "like", relation: Relation = STRANGER) -> tuple[bool, bool, bool]:
    decision = decide(preferences, kind, ADA, "post", relation, NOW, offset_at)
    return decision.listed, decision.push, decision.email


def test_who_has_set_nothing_is_pushed_and_shown_what_everyone_does_but_not_mailed() -> None:
    assert decided(DEFAULTS) == (True, True, False)
    assert decide(DEFAULTS, "like", ADA, "post", Relation(), NOW, offset_at).not_before == NOW


@pytest.mark.parametrize(("kind", "before"), [("comment_like", "like"), ("reply", "comment")])
def test_what_was_told_as_another_kind_before_is_wanted_as_that_one_unless_it_is_named_itself(
    kind: Kind, before: Kind
) -> None:
    unnamed = Preferences({before: {"push": False, "email": True}}, {before: "following"})
    assert decided(unnamed, kind) == (False, False, False)
    assert decided(unnamed, kind, Relation(follows=True)) == (True, False, True)
    named = Preferences({**unnamed.channels, kind: {"push": True}}, {**unnamed.audience, kind: "everyone"})
    assert decided(named, kind) == (True, True, True)
    assert decided(named, before) == (False, False, False)
    assert decided(Preferences({kind: {"push": False}}), before) == (True, True, False)


@pytest.mark.parametrize(
    ("channels", "kind", "pushed"),
    [
        ({}, "mention", True),
        ({"mention": {"push": False}}, "mention", True),
        ({"message": {"push": False}}, "mention", True),
        ({"message": {"push": False}}, "message", False),
        ({"message": {"push": False}, "mention": {"push": False}}, "mention", False),
    ],
)
def test_who_does_not_want_to_be_told_that_they_are_named_is_told_as_everybody_is(
    channels: Channels, kind: Kind, pushed: bool
) -> None:
    decision = decide_message(Preferences(channels), kind, ADA, ConversationId("5"), False, NOW, offset_at)
    assert decision.push is pushed


def test_each_kind_has_channels_of_its_own() -> None:
    preferences = Preferences(channels={"like": {"push": False, "email": True}, "tag": {"in_app": False}})
    assert decided(preferences) == (True, False, True)
    assert decided(preferences, "tag") == (False, True, False)
    assert decide(preferences, "like", ADA, "post", Relation(), NOW, offset_at).alerts
    assert not decide(Preferences({"like": {"push": False}}), "like", ADA, "", Relation(), NOW, offset_at).alerts


@pytest.mark.parametrize(
    ("preferences", "relation"),
    [
        (DEFAULTS, Relation(hidden=True, follows=True)),
        (Preferences(audience={"like": "nobody"}), Relation(follows=True)),
        (Preferences(audience={"like": "following"}), Relation()),
        (Preferences(muted=Muted(people=(ADA,))), Relation(follows=True)),
        (Preferences(muted=Muted(threads=("post",))), Relation(follows=True)),
    ],
)
def test_who_or_what_is_refused_is_told_nowhere_whatever_the_channels_say(
    preferences: Preferences, relation: Relation
) -> None:
    all_on = changed(preferences, PreferencesChange(channels={"like": {"push": True, "in_app": True, "email": True}}))
    assert decided(all_on, "like", relation) == (False, False, False)
    assert decided(all_on, "system", relation) == (True, True, False)


def test_those_whom_i_follow_are_heard() -> None:
    assert decided(Preferences(audience={"like": "following"}), "like", Relation(follows=True)) == (True, True, False)


def test_a_pause_stops_alerts_and_not_the_list() -> None:
    assert decided(Preferences(pause_until=Millis(NOW + 1))) == (True, False, False)
    assert decided(Preferences(pause_until=NOW)) == (True, True, False)


def test_a_change_replaces_what_it_names() -> None:
    quiet = QuietHours("UTC", 1, 2)
    first = changed(DEFAULTS, PreferencesChange({"like": {"push": False}}, {"like": "nobody"}, quiet))
    second = changed(first, PreferencesChange({"like": {"email": True}}, {"tag": "following"}, muted=Muted((ADA,))))
    assert second == Preferences(
        {"like": {"push": False, "email": True}}, {"like": "nobody", "tag": "following"}, quiet, Muted((ADA,))
    )
    assert changed(second, PreferencesChange(pause_until=NOW)).pause_until == NOW


def first_loud_minute(quiet: QuietHours, now: Millis) -> Millis:
    """The model: look at a clock on the wall, and then again each minute."""

    def is_quiet(at: Millis) -> bool:
        wall = datetime.fromtimestamp(at / 1_000, UTC).astimezone(ZoneInfo(quiet.zone))
        minute = wall.hour * 60 + wall.minute
        if quiet.since <= quiet.until:
            return quiet.since <= minute < quiet.until
        return minute >= quiet.since or minute < quiet.until

    if not is_quiet(now):
        return now
    at = Millis(now - now % MINUTE_MS)
    while is_quiet(at):
        at = Millis(at + MINUTE_MS)
    return at


def spring_in_berlin(hour: int) -> Millis:
    return Millis(int(datetime(2026, 3, 29, hour, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1_000))


def autumn_in_berlin(hour: int) -> Millis:
    return Millis(int(datetime(2026, 10, 25, hour, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1_000))


@given(
    st.sampled_from(ZONES),
    st.integers(0, 1_439),
    st.integers(0, 1_439),
    st.integers(0, 366 * 1_440).map(lambda minutes: Millis(1_767_225_600_000 + minutes * MINUTE_MS + 17)),
)
@example("Europe/Berlin", 22 * 60, 7 * 60, spring_in_berlin(1))
@example("Europe/Berlin", 22 * 60, 7 * 60, autumn_in_berlin(1))
@example("Europe/Berlin", 0, 150, spring_in_berlin(1))
@example("Europe/Berlin", 0, 150, autumn_in_berlin(1))
@example("Europe/Berlin", 0, 180, autumn_in_berlin(1))
@example("Europe/Berlin", 5, 5, NOW)
def test_quiet_hours_end_at_the_first_minute_that_is_not_among_them(
    zone: str, since: int, until: int, now: Millis
) -> None:
    quiet = QuietHours(zone, since, until)
    assert quiet_until(quiet, now, offset_at) == first_loud_minute(quiet, now)


def test_a_night_in_which_clocks_are_moved_is_shorter_or_longer() -> None:
    quiet = QuietHours("Europe/Berlin", 22 * 60, 7 * 60)
    nights = {"spring": spring_in_berlin(1), "autumn": autumn_in_berlin(1)}
    hours = {name: (quiet_until(quiet, now, offset_at) - now) / 3_600_000 for name, now in nights.items()}
    assert hours == {"spring": 5, "autumn": 7}


@pytest.mark.parametrize("broken", [deaf_to_summer, lambda zone, at: 0])
def test_an_offset_that_does_not_follow_the_zone_is_found(broken: OffsetAt) -> None:
    quiet = QuietHours("Europe/Berlin", 22 * 60, 7 * 60)
    summer = Millis(int(datetime(2026, 7, 1, 5, 30, tzinfo=UTC).timestamp() * 1_000))
    assert quiet_until(quiet, summer, broken) != first_loud_minute(quiet, summer)
    assert timedelta(milliseconds=quiet_until(quiet, summer, offset_at) - summer) == timedelta(0)


def test_what_is_pushed_waits_for_the_end_and_what_is_listed_does_not() -> None:
    quiet = QuietHours("UTC", 0, 1_439)
    decision = decide(Preferences(quiet=quiet), "like", ADA, "post", Relation(), NOW, offset_at)
    assert decision == Decision(True, True, False, quiet_until(quiet, NOW, offset_at))
    assert decision.not_before > NOW
