"""Whether a user is here, and what they see of those whom they watch."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.effects import PRESENCE_STORE, Asked, Deliver, Effect, Reply, Tell, Wake, Woken
from actors.user import User
from actors.user_commands import (
    Detach,
    Drained,
    Filled,
    Interest,
    Look,
    Looked,
    See,
    SetBackground,
    Standing,
    Stands,
    Watch,
)
from actors.user_presence import GRACE, SEEN
from actors.watchers import EVERY_MS, Screen, Watchers
from protocol.codec import Encoded
from protocol.errors import UNAVAILABLE
from protocol.ids import Millis, UserId
from protocol.live import Presence, PresenceChanged
from protocol.replies import Watched
from tests.actors.devices import ID, ME, NOW, YOU, attach, later, user, written

ADA, BOB = UserId("7"), UserId("8")


def standings(effects: list[Effect]) -> list[Standing]:
    return [e.command.standing for e in effects if isinstance(e, Tell) and isinstance(e.command, Stands)]


def interests(effects: list[Effect]) -> list[Interest]:
    return [e.command for e in effects if isinstance(e, Tell) and isinstance(e.command, Interest)]


def seen(user: UserId, state: str = "online") -> See:
    return See(Encoded(PresenceChanged(user, state)))  # type: ignore[arg-type]


def watching(*users: UserId, connection: int = 3) -> User:
    """Somebody with one device that shows these people, all offline so far."""
    actor = user()
    actor.handle(attach(connection), NOW)
    watch(actor, connection, *users)
    return actor


def watch(actor: User, connection: int, *users: UserId) -> list[Effect]:
    asked = Asked(connection, 9)
    effects = actor.handle(Watch(asked, users, None), NOW)
    shown = Watched(tuple(Presence(user, "offline") for user in users))
    return effects + actor.handle(Looked(asked, shown), NOW)


# -- being here -----------------------------------------------------------------------------------------------------


def test_a_device_in_the_foreground_makes_its_user_online() -> None:
    assert standings(user().handle(attach(3), NOW)) == [Standing("online")]


def test_devices_in_the_background_alone_make_idle() -> None:
    actor = user()
    assert standings(actor.handle(attach(3, background=True), NOW)) == [Standing("idle")]
    assert standings(actor.handle(attach(4, "web"), NOW)) == [Standing("online")]
    assert standings(actor.handle(SetBackground(Asked(4, 2), on=True), later(7))) == [Standing("idle", later(7))]
    assert standings(actor.handle(SetBackground(Asked(4, 3), on=False), later(8))) == [Standing("online")]


def test_a_goodbye_is_offline_at_once() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    assert standings(actor.handle(Detach(3, goodbye=True), later(5))) == [Standing("offline", later(5))]


def test_a_lost_socket_counts_for_fifteen_seconds_and_is_over_since_it_was_lost() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    effects = actor.handle(Detach(3, goodbye=False), later(5))
    assert standings(effects) == []
    assert Wake(later(15_005), GRACE) in effects
    assert standings(actor.handle(Woken(GRACE), later(15_004))) == []
    assert standings(actor.handle(Woken(GRACE), later(15_005))) == [Standing("offline", later(5))]


def test_who_comes_back_in_time_was_never_away() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(Detach(3, goodbye=False), later(5))
    assert standings(actor.handle(attach(4), later(14_000))) == []
    assert standings(actor.handle(Woken(GRACE), later(15_005))) == []


def test_of_two_devices_that_are_lost_each_counts_for_its_own_time() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(attach(4, "web", background=True), NOW)
    actor.handle(Detach(3, goodbye=False), NOW)
    effects = actor.handle(Detach(4, goodbye=False), later(10_000))
    assert Wake(later(15_000), GRACE) in effects
    effects = actor.handle(Woken(GRACE), later(15_000))
    assert standings(effects) == [Standing("idle", NOW)]
    assert Wake(later(25_000), GRACE) in effects
    assert standings(actor.handle(Woken(GRACE), later(25_000))) == [Standing("offline", NOW)]


def test_the_conversation_on_screen_is_told_while_somebody_is_online() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    effects = actor.handle(Watch(Asked(3, 2), (), ID), NOW)
    assert standings(effects) == [Standing("online", Millis(0), ID)]
    assert Reply(Asked(3, 2), Watched(())) in effects
    assert standings(actor.handle(SetBackground(Asked(3, 3), on=True), NOW)) == [Standing("idle", NOW)]
    assert standings(actor.handle(SetBackground(Asked(3, 4), on=False), NOW)) == [Standing("online", Millis(0), ID)]
    assert standings(actor.handle(Detach(3, goodbye=False), NOW)) == [Standing("online")]


# -- watching -------------------------------------------------------------------------------------------------------


def test_a_watch_is_answered_with_what_the_store_says() -> None:
    actor, asked = user(), Asked(3, 9)
    actor.handle(attach(3), NOW)
    effects = actor.handle(Watch(asked, (ADA, BOB, ADA), None), NOW)
    assert Tell(PRESENCE_STORE, Look(ME, asked, (ADA, BOB))) in effects
    assert {*interests(effects)[0].added} == {ADA, BOB}
    shown = Watched((Presence(ADA, "online"), Presence(BOB, "unknown")))
    assert actor.handle(Looked(asked, shown), NOW) == [Reply(asked, shown)]
    assert actor.handle(seen(ADA), NOW) == []
    assert written(actor.handle(seen(BOB), NOW), 3) == [PresenceChanged(BOB, "online")]


def test_what_cannot_be_told_is_refused_and_what_follows_is_told() -> None:
    actor, asked = user(), Asked(3, 9)
    actor.handle(attach(3), NOW)
    actor.handle(Watch(asked, (ADA,), None), NOW)
    assert actor.handle(Looked(asked, UNAVAILABLE), NOW) == [Reply(asked, UNAVAILABLE)]
    assert written(actor.handle(seen(ADA), NOW), 3) == [PresenceChanged(ADA, "online")]


def test_a_watch_of_a_socket_that_has_gone_is_refused() -> None:
    assert user().handle(Watch(Asked(3, 9), (ADA,), None), NOW) == [Reply(Asked(3, 9), UNAVAILABLE)]


def test_a_later_watch_replaces_the_one_before() -> None:
    actor = watching(ADA, BOB)
    effects = watch(actor, 3, BOB, YOU)
    assert interests(effects) == [Interest(ME, (YOU,), (ADA,))]
    assert actor.handle(seen(ADA), NOW) == []


def test_each_device_is_told_of_whom_it_shows() -> None:
    actor = watching(ADA)
    actor.handle(attach(4, "web"), NOW)
    assert interests(watch(actor, 4, ADA, BOB)) == [Interest(ME, (BOB,), ())]
    assert actor.handle(seen(BOB), NOW)[0].audience[0].key == 4  # type: ignore[union-attr]
    assert len(actor.handle(seen(ADA), NOW)[0].audience) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("goodbye", [True, False])
def test_a_watch_ends_with_its_socket(goodbye: bool) -> None:
    actor = watching(ADA)
    assert interests(actor.handle(Detach(3, goodbye=goodbye), NOW)) == [Interest(ME, (), (ADA,))]
    assert actor.handle(seen(ADA), NOW) == []


def test_a_watch_ends_with_a_socket_that_another_one_supersedes() -> None:
    actor = watching(ADA)
    assert interests(actor.handle(attach(4), NOW)) == [Interest(ME, (), (ADA,))]


def test_changes_are_told_a_second_and_a_half_apart_the_latest_of_them() -> None:
    actor = watching(ADA)
    assert written(actor.handle(seen(ADA), NOW), 3) == [PresenceChanged(ADA, "online")]
    assert actor.handle(seen(ADA, "idle"), later(100)) == [Wake(later(EVERY_MS), SEEN)]
    assert actor.handle(seen(ADA, "offline"), later(200)) == [Wake(later(EVERY_MS), SEEN)]
    assert written(actor.handle(Woken(SEEN), later(EVERY_MS)), 3) == [PresenceChanged(ADA, "offline")]


def test_who_goes_and_comes_back_within_that_time_is_not_told_of() -> None:
    actor = watching(ADA)
    actor.handle(seen(ADA), NOW)
    actor.handle(seen(ADA, "idle"), later(100))
    assert actor.handle(seen(ADA), later(200)) == []
    assert written(actor.handle(Woken(SEEN), later(EVERY_MS)), 3) == []


def test_a_device_in_the_background_is_told_nothing() -> None:
    actor = watching(ADA)
    actor.handle(SetBackground(Asked(3, 2), on=True), NOW)
    assert [effect for effect in actor.handle(seen(ADA), NOW) if isinstance(effect, Deliver)] == []


def test_for_a_full_socket_the_latest_of_each_person_waits() -> None:
    actor = watching(ADA, BOB)
    actor.handle(Filled(3), NOW)
    actor.handle(seen(ADA), NOW)
    actor.handle(seen(BOB), NOW)
    actor.handle(seen(ADA, "idle"), later(EVERY_MS))
    got = written(actor.handle(Drained(3), later(EVERY_MS)), 3)
    assert got == [PresenceChanged(BOB, "online"), PresenceChanged(ADA, "idle")]


def test_who_watches_nobody_has_nothing_for_it() -> None:
    actor = watching(ADA)
    watch(actor, 3)
    assert actor._presence.watchers is None


class WatchersMachine(RuleBasedStateMachine):
    """Whatever comes: never two changes of one person within the time, nothing twice, and in the end the latest."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers = Watchers()
        self.now = NOW
        self.truth: dict[UserId, PresenceChanged] = {}
        self.shown: dict[UserId, PresenceChanged] = {}
        self.told_at: dict[UserId, Millis] = {}

    @property
    def watched(self) -> set[UserId]:
        return {user for screen in self.watchers.screens.values() for user in screen.users}

    @rule(connection=st.integers(1, 3), users=st.sets(st.sampled_from([ADA, BOB, YOU])))
    def watch(self, connection: int, users: set[UserId]) -> None:
        before = self.watched
        added, dropped = self.watchers.watch(connection, Screen(frozenset(users), None) if users else None)
        assert (set(added), set(dropped)) == (self.watched - before, before - self.watched)
        for gone in dropped:
            self.shown.pop(gone, None)
            self.told_at.pop(gone, None)
        self.shown |= {user: self.truth.setdefault(user, PresenceChanged(user, "offline")) for user in added}
        self.watchers.begin([self.shown[user] for user in added])

    @rule(user=st.sampled_from([ADA, BOB, YOU]), state=st.sampled_from(["online", "idle", "offline", "unknown"]))
    def see(self, user: UserId, state: str) -> None:
        event = self.truth[user] = PresenceChanged(user, state)  # type: ignore[arg-type]
        told = self.watchers.see(Encoded(event), self.now)
        assert user in self.watched or told is None
        self.hear([told] if told else [])

    @rule(ms=st.integers(0, 2_000))
    def wait(self, ms: int) -> None:
        until = Millis(self.now + ms)
        while (at := self.watchers.next_at()) is not None and at <= until:
            self.now = at
            self.hear(self.watchers.due(self.now))
        self.now = until

    def hear(self, told: list[Encoded]) -> None:
        for encoded in told:
            event = encoded.event
            assert isinstance(event, PresenceChanged)
            assert event != self.shown[event.user]
            assert self.now - self.told_at.get(event.user, Millis(0)) >= EVERY_MS
            self.shown[event.user], self.told_at[event.user] = event, self.now

    @invariant()
    def what_is_not_told_yet_is_due_in_time(self) -> None:
        late = [user for user in self.watched if self.shown[user] != self.truth[user]]
        at = self.watchers.next_at()
        assert not late or (at is not None and at <= self.now + EVERY_MS)
        assert late or at is None


TestWatchers = WatchersMachine.TestCase
TestWatchers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
