"""The notifier: what becomes of deeds, one by one."""

import pytest

from actors.notifier import OPEN_MS, WINDOW_MS, Alert, Close, Note, Notifier
from protocol.activity import Activity, Kind
from protocol.groups import Group, Key, Known, Noted
from protocol.ids import Millis, UserId
from protocol.preferences import DEFAULTS, Preferences, QuietHours, Relation

ME, ADA, BOB = UserId("9216"), UserId("17"), UserId("18")
NOW = Millis(1_795_219_200_000)


def notifier(*groups: Group, preferences: Preferences = DEFAULTS, **noted: Noted) -> Notifier:
    known = {Key(ME, "like", target, ADA, ""): stands for target, stands in noted.items()}
    return Notifier(Known(preferences, {group.id: group for group in groups}, known, {}), lambda zone, at: 0)


def note(
    event: int, actor: UserId = ADA, target: str = "post", *, kind: Kind = "like", undone: bool = False, deed: str = ""
) -> Note:
    done = Activity(kind=kind, actor=actor, recipient=ME, target=target, deed=deed, at=NOW, undone=undone)
    return Note(event, done, Relation(), event)


def group(**changes: object) -> Group:
    fields: dict[str, object] = {"target": "post", "actor": ADA, "opened_at": NOW, "updated_at": NOW, **changes}
    return Group(id=7, user=ME, kind="like", **fields)  # type: ignore[arg-type]


def test_the_first_deed_opens_a_group_and_its_window() -> None:
    actor = notifier()
    assert actor.note(note(1), NOW) == "opened"
    changes = actor.changes()
    [opened] = changes.opened
    assert (opened.target, opened.actor, opened.members, opened.due_at) == ("post", ADA, 1, NOW + WINDOW_MS)
    assert changes.noted == [(Key(ME, "like", "post", ADA, ""), Noted(1, 1, window=1))]
    assert (changes.changed, changes.gone) == ([], [])


def test_a_group_of_one_becomes_either_of_two() -> None:
    of_people, of_things = notifier(), notifier()
    assert [of_people.note(note(1), NOW), of_people.note(note(2, BOB), NOW)] == ["opened", "folded"]
    assert [of_things.note(note(1), NOW), of_things.note(note(2, ADA, "other"), NOW)] == ["opened", "folded"]
    [people], [things] = of_people.changes().opened, of_things.changes().opened
    assert (people.target, people.actor, people.members) == ("post", None, 2)
    assert (things.target, things.actor, things.members) == (None, ADA, 2)
    # Narrowed to one, it takes no more of the other.
    assert of_people.note(note(3, ADA, "other"), NOW) == "opened"
    assert of_things.note(note(3, BOB, "post"), NOW) == "opened"


def test_what_was_decided_on_is_not_decided_again() -> None:
    actor = notifier(post=Noted(5, 7))
    assert actor.note(note(5), NOW) == "repeated"
    assert actor.changes().noted == []
    assert actor.note(note(6), NOW) == "repeated"
    assert [stands.event for _, stands in actor.changes().noted] == [6]


def test_what_opens_and_closes_within_one_turn_is_never_stored() -> None:
    actor = notifier()
    assert [actor.note(note(1), NOW), actor.note(note(2, undone=True), NOW)] == ["opened", "undone"]
    changes = actor.changes()
    assert (changes.opened, changes.changed, changes.gone) == ([], [], [])
    assert [stands.undone for _, stands in changes.noted] == [True]


def test_a_group_that_loses_one_of_two_deeds_stays() -> None:
    actor = notifier()
    assert [actor.note(note(1), NOW), actor.note(note(2, BOB), NOW)] == ["opened", "folded"]
    assert actor.note(note(3, BOB, undone=True), NOW) == "undone"
    changes = actor.changes()
    assert [opened.members for opened in changes.opened] == [1]
    assert changes.gone == []


def test_a_group_that_loses_its_last_deed_is_gone() -> None:
    known = Known(DEFAULTS, {7: group(members=1)}, {Key(ME, "like", "post", ADA, ""): Noted(5, 7, window=1)}, {})
    known.pairs[7, "post", ADA] = 1
    actor = Notifier(known, lambda zone, at: 0)
    assert actor.note(note(6, undone=True), NOW) == "undone"
    assert (actor.changes().gone, actor.changes().changed) == ([7], [])


def test_a_deed_whose_group_was_removed_long_ago_is_only_marked() -> None:
    actor = notifier(post=Noted(5, 7))
    assert actor.note(note(6, undone=True), NOW) == "undone"
    assert actor.changes().gone == []


def test_who_did_it_again_is_told_of_in_a_new_group_without_news() -> None:
    actor = notifier(post=Noted(5, 0, undone=True, quiet_until=Millis(NOW + 1)))
    assert actor.note(note(6), NOW) == "opened"
    [opened] = actor.changes().opened
    assert (opened.seen, opened.due_at) == (True, None)
    assert [stands.window for _, stands in actor.changes().noted] == [0]


def test_a_group_is_open_for_twelve_hours() -> None:
    assert notifier(group()).note(note(1, BOB), Millis(NOW + OPEN_MS - 1)) == "folded"
    assert notifier(group()).note(note(1, BOB), Millis(NOW + OPEN_MS)) == "opened"


@pytest.mark.parametrize(("kind", "groups"), [("system", 2), ("mention", 1)])
def test_a_mention_is_due_at_once_and_what_the_system_says_stands_alone(kind: Kind, groups: int) -> None:
    actor = notifier()
    for event in (1, 2):
        actor.note(note(event, kind=kind, deed=str(event)), NOW)
    opened = actor.changes().opened
    assert [one.due_at for one in opened] == [NOW] * groups


def test_what_nobody_wants_leaves_no_trace() -> None:
    actor = notifier(preferences=Preferences(audience={"like": "nobody"}))
    assert actor.note(note(1), NOW) == "unwanted"
    assert actor.changes().noted == []


def test_a_window_that_is_not_over_stays_open() -> None:
    actor = notifier(group(due_at=Millis(NOW + 1)), group())
    assert actor.close(Close(7, True), NOW) is None
    later = notifier(group(due_at=Millis(NOW + 1)))
    assert later.close(Close(7, True), NOW) is None
    assert later.changes().changed == []


def test_a_window_closes_with_one_alert_or_with_none_if_nothing_is_new() -> None:
    open, empty = group(due_at=NOW, window=3), group(due_at=NOW)
    assert notifier(open).close(Close(7, True), NOW) == Alert(open, 3, push=True, email=False, held=False)
    assert (open.window, open.due_at) == (4, None)
    assert notifier(empty).close(Close(7, False), NOW) is None
    assert empty.due_at is None


def test_quiet_hours_put_a_window_off() -> None:
    preferences = Preferences(quiet=QuietHours("UTC", 0, 1_439))
    held = group(due_at=NOW)
    assert notifier(held, preferences=preferences).close(Close(7, True), NOW) is None
    assert held.held
    assert held.due_at is not None
    assert held.due_at > NOW
    alert = notifier(held, preferences=preferences).close(Close(7, True), held.due_at)
    assert alert is not None
    assert alert.held


def test_a_reply_to_a_story_is_listed_and_alerts_nobody_as_its_message_does() -> None:
    one = notifier()
    assert one.note(note(1, kind="story_reply", deed="77:3"), NOW) == "opened"
    [opened] = one.changes().opened
    assert (opened.listed, opened.seen, opened.due_at) == (True, False, None)
