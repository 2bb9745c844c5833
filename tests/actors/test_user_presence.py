"""A user's part of presence alone: values in, values out."""

from actors.effects import PRESENCE, PRESENCE_STORE, Asked, Reply, Tell, Wake
from actors.sessions import GRACE_MS, Sessions
from actors.user_commands import Interest, Look, Looked, Standing, Stands, Watch
from actors.user_presence import GRACE, OFFLINE, SEEN, UserPresence
from actors.watchers import EVERY_MS, Screen
from protocol.codec import Encoded
from protocol.errors import UNAVAILABLE
from protocol.ids import UserId
from protocol.live import Presence, PresenceChanged
from protocol.replies import Watched
from tests.actors.devices import ID, ME, NOW, later

KEPT_MS = 300_000
ADA, BOB = UserId("7"), UserId("8")
ASKED = Asked(3, 9)


def one_device() -> Sessions:
    sessions = Sessions().joined("phone", 0)
    assert sessions
    sessions[0].attach(3, 0, None, background=False)
    return sessions


def seen(user: UserId, state: str = "online") -> Encoded:
    return Encoded(PresenceChanged(user, state))  # type: ignore[arg-type]


def test_how_a_user_stands_is_told_once() -> None:
    presence, sessions = UserPresence(ME), one_device()
    assert presence.standing == OFFLINE
    assert presence.stand(sessions, KEPT_MS, NOW) == [Tell(PRESENCE, Stands(ME, Standing("online")))]
    assert presence.stand(sessions, KEPT_MS, NOW) == []
    assert presence.standing == Standing("online")


def test_who_may_come_back_is_looked_at_again_when_that_time_is_over() -> None:
    presence, sessions = UserPresence(ME), one_device()
    presence.stand(sessions, KEPT_MS, NOW)
    presence.active_at = later(5)
    sessions[0].leave(later(5 + KEPT_MS))
    over = later(5 + GRACE_MS)
    assert presence.stand(sessions, KEPT_MS, later(5)) == [Wake(over, GRACE)]
    assert presence.stand(sessions, KEPT_MS, over) == [Tell(PRESENCE, Stands(ME, Standing("offline", later(5))))]


def test_what_is_on_screen_says_whom_it_watches_until_nothing_is() -> None:
    presence = UserPresence(ME)
    assert presence.show(3, None) == []
    assert presence.show(3, Screen(frozenset({ADA}), ID)) == [Tell(PRESENCE, Interest(ME, (ADA,), ()))]
    assert presence.shows(3, ADA)
    assert presence.show(3, None) == [Tell(PRESENCE, Interest(ME, (), (ADA,)))]
    assert presence.watchers is None
    assert not presence.shows(3, ADA)


def test_a_watch_asks_the_store_and_its_answer_is_what_was_told_first() -> None:
    presence = UserPresence(ME)
    effects = presence.watch(Watch(ASKED, (ADA, ADA), None), one_device())
    assert effects[-1] == Tell(PRESENCE_STORE, Look(ME, ASKED, (ADA,)))
    shown = Watched((Presence(ADA, "online"),))
    assert presence.looked(Looked(ASKED, shown)) == [Reply(ASKED, shown)]
    assert list(presence.see(seen(ADA), NOW)) == []
    assert [told.event for told in presence.see(seen(ADA, "idle"), NOW)] == [PresenceChanged(ADA, "idle")]


def test_a_watch_of_nobody_is_answered_and_one_without_its_connection_refused() -> None:
    presence = UserPresence(ME)
    assert presence.watch(Watch(ASKED, (), ID), one_device()) == [Reply(ASKED, Watched(()))]
    assert presence.watch(Watch(ASKED, (ADA,), None), Sessions()) == [Reply(ASKED, UNAVAILABLE)]


def test_what_has_to_wait_is_woken_for() -> None:
    presence = UserPresence(ME)
    presence.show(3, Screen(frozenset({ADA, BOB}), None))
    assert presence.wake() == []
    assert len(presence.see(seen(ADA), NOW)) == 1
    assert list(presence.see(seen(ADA, "idle"), later(1))) == []
    assert presence.wake() == [Wake(later(EVERY_MS), SEEN)]
    assert [told.event for told in presence.due(later(EVERY_MS))] == [PresenceChanged(ADA, "idle")]
    assert presence.wake() == []


def test_who_watches_nobody_is_told_nothing() -> None:
    presence = UserPresence(ME)
    assert list(presence.see(seen(ADA), NOW)) == []
    assert list(presence.due(NOW)) == []
    assert presence.wake() == []
