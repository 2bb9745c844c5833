"""What a user does with devices that come, go and resume, and with what they have stored, case by case."""

import pytest

from actors.conversation_commands import MarkDelivered
from actors.effects import (
    PRESENCE_STORE,
    STORE,
    Asked,
    Deliver,
    Reply,
    Tell,
    Wake,
    Woken,
    connection_address,
    conversation_address,
)
from actors.sessions import MOST
from actors.stream import Numbered
from actors.user import SLICE
from actors.user_commands import (
    Acked,
    Attach,
    Delivered,
    Detach,
    Drained,
    Filled,
    ReadSnapshot,
    Reattach,
    Report,
    SetBackground,
    SetVisible,
    Show,
    SnapshotRead,
    VisibleSet,
)
from protocol.codec import Encoded
from protocol.errors import OVERLOADED, SUPERSEDED, UNAVAILABLE
from protocol.events import MessageSent
from protocol.ids import ConversationId
from protocol.replies import Done, Welcome
from protocol.requests import Resume
from protocol.session import Continuity, Synced
from tests.actors.devices import (
    ID,
    LIMITS,
    ME,
    NOW,
    SNAPSHOT,
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

# -- hello ----------------------------------------------------------------------------------------------------------


def test_a_new_client_gets_a_snapshot_and_then_synced_and_what_came_meanwhile() -> None:
    actor = user()
    hello = Attach(Asked(3, 7), "phone", None, snapshot=True, background=False)
    welcome = Welcome("e.1", ME, "e", 0, "fresh", 25_000, NOW, LIMITS)
    effects = without_presence(actor.handle(hello, NOW))
    assert effects == [Reply(Asked(3, 7), welcome), Tell(STORE, ReadSnapshot(ME, 3))]
    assert actor.handle(message(1), NOW) == []
    assert actor.handle(typing(), NOW) == []
    assert actor.handle(Drained(3), NOW) == []
    here = connection_address(3)
    first, report = actor.handle(SnapshotRead(3, SNAPSHOT), NOW)
    assert isinstance(first, Deliver)
    assert written([first], 3) == [SNAPSHOT]
    assert report == Tell(here, Report())
    assert written(actor.handle(Drained(3), NOW), 3) == [1, Synced(1), typing().encoded.event]
    assert written(actor.handle(message(2), NOW), 3) == [2]


def test_a_snapshot_that_cannot_be_read_closes_the_connection_and_keeps_the_position() -> None:
    actor = user()
    actor.handle(Attach(Asked(3, 7), "phone", None, snapshot=True, background=False), NOW)
    assert actor.handle(SnapshotRead(3, None), NOW) == [
        Tell(connection_address(3), OVERLOADED),
        Wake(later(300_000), "claims"),
    ]
    assert actor.handle(SnapshotRead(3, SNAPSHOT), NOW) == []
    actor.handle(message(1), NOW)
    assert written(actor.handle(attach(4, resume=0), NOW), 4) == [1, Synced(1)]


def test_a_resumed_client_gets_what_it_missed_and_synced_even_after_nothing() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    assert written(actor.handle(message(1), NOW), 3) == [1]
    actor.handle(Detach(3, goodbye=False), NOW)
    assert actor.handle(message(2), NOW) == []
    effects = actor.handle(attach(4, resume=1), NOW)
    assert effects[0] == Reply(Asked(4, 1), Welcome("e.2", ME, "e", 2, "resumed", 25_000, NOW, LIMITS))
    assert written(effects, 4) == [2, Synced(2)]
    assert written(actor.handle(attach(5, resume=2), NOW), 5) == [Synced(2)]


@pytest.mark.parametrize(
    "resume", [Resume("e", 1), Resume("e", 4), Resume("d", 2)], ids=["freed", "in the future", "of another epoch"]
)
def test_a_position_that_is_not_held_is_a_resync(resume: Resume) -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    for c in (1, 2, 3):
        actor.handle(message(c), NOW)
    actor.handle(Acked(3, "e", 2), NOW)
    effects = actor.handle(Attach(Asked(4, 1), "web", resume, snapshot=False, background=True), NOW)
    assert effects[0] == Reply(Asked(4, 1), Welcome("e.2", ME, "e", 3, "resync", 50_000, NOW, LIMITS))
    assert written(effects, 4) == [Synced(3)]


def test_events_that_came_while_no_device_could_resume_are_not_passed_over() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(message(1), NOW)
    actor.handle(Detach(3, goodbye=True), NOW)
    assert actor.put_off() == ()
    assert actor.may_rest()
    assert actor.handle(message(2), NOW) == []
    reply = actor.handle(attach(4, resume=1), NOW)[0]
    assert isinstance(reply, Reply)
    assert isinstance(reply.result, Welcome)
    assert (reply.result.outcome, reply.result.u) == ("resync", 2)


def test_a_newer_hello_of_a_device_supersedes_the_older_one() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    assert actor.handle(attach(4), NOW)[0] == Tell(connection_address(3), SUPERSEDED)
    assert actor.handle(Detach(3, goodbye=True), NOW) == []
    assert written(actor.handle(message(1), NOW), 4) == [1]


def test_somebody_is_in_front_of_a_screen_while_a_device_is_connected_and_not_in_the_background() -> None:
    actor = user()
    seen = [actor.in_front]
    for command in (
        attach(1, "phone", background=True),
        attach(2, "browser"),
        SetBackground(Asked(2, 2), True),
        SetBackground(Asked(1, 3), False),
        Detach(1, goodbye=False),
    ):
        actor.handle(command, NOW)
        seen.append(actor.in_front)
    assert seen == [False, False, True, False, True, False]


def test_a_device_too_many_is_refused_unless_one_is_away() -> None:
    actor = user()
    for number in range(MOST):
        actor.handle(attach(100 + number, f"device {number}"), NOW)
    assert actor.handle(attach(7, "one more"), NOW) == [
        Reply(Asked(7, 1), UNAVAILABLE),
        Tell(connection_address(7), OVERLOADED),
    ]
    assert actor.handle(Reattach(7, "one more", background=False), NOW) == [Tell(connection_address(7), OVERLOADED)]
    actor.handle(Detach(103, goodbye=False), later(5))
    actor.handle(Detach(102, goodbye=False), later(6))
    assert written(actor.handle(attach(8, "one more"), NOW), 8) == [Synced(0)]
    assert actor.handle(Woken("claims"), later(300_005)) == [Wake(later(300_006), "claims")]


def test_a_connection_that_outlived_an_earlier_actor_is_told_the_new_epoch_and_asked_whether_it_takes_more() -> None:
    actor = user()
    effects = without_presence(actor.handle(Reattach(3, "phone", background=False), NOW))
    assert written(effects, 3) == [Continuity("e", 0)]
    assert effects[1:] == [Tell(connection_address(3), Report())]
    assert actor.handle(message(1), NOW) == []
    assert written(actor.handle(Drained(3), NOW), 3) == [1]
    assert written(actor.handle(message(2), NOW), 3) == [2]


# -- acks and claims ------------------------------------------------------------------------------------------------


def test_an_ack_tells_what_was_delivered_of_others_messages_in_each_conversation() -> None:
    actor = user()
    other = ConversationId("6")
    actor.handle(attach(3), NOW)
    for delivered in (
        message(1),
        message(2),
        message(1, conversation=other),
        message(3, sender=ME),
        message(2, sender=ME, conversation=ConversationId("7")),
    ):
        actor.handle(delivered, NOW)
    assert actor.handle(Acked(3, "e", 5), NOW) == [
        Tell(conversation_address(ID), MarkDelivered(ME, 2)),
        Tell(conversation_address(other), MarkDelivered(ME, 1)),
    ]


def test_an_ack_is_clamped_to_what_was_written_and_told_once_and_only_of_this_epoch() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(message(1), NOW)
    actor.handle(Filled(3), NOW)
    actor.handle(message(2), NOW)
    assert actor.handle(Acked(3, "d", 9), NOW) == []
    assert actor.handle(Acked(4, "e", 9), NOW) == []
    mark = conversation_address(ID)
    assert actor.handle(Acked(3, "e", 9), NOW) == [Tell(mark, MarkDelivered(ME, 1))]
    assert actor.handle(Acked(3, "e", 0), NOW) == []
    assert actor.handle(Acked(3, "e", 1), NOW) == []
    actor.handle(Drained(3), NOW)
    assert actor.handle(Acked(3, "e", 2), NOW) == [Tell(mark, MarkDelivered(ME, 2))]


def test_an_ack_that_goes_back_is_ignored() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(attach(4, "web"), NOW)
    for c in (1, 2):
        actor.handle(message(c), NOW)
    assert len(actor.handle(Acked(3, "e", 2), NOW)) == 1
    assert actor.handle(Acked(3, "e", 1), NOW) == []
    assert actor.handle(Acked(3, "e", 2), NOW) == []


def test_a_client_that_resumes_has_stored_what_came_before() -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    for c in (1, 2, 3):
        actor.handle(message(c), NOW)
    actor.handle(Detach(3, goodbye=False), NOW)
    effects = actor.handle(attach(4, resume=2), NOW)
    assert effects[1] == Tell(conversation_address(ID), MarkDelivered(ME, 2))
    assert written(effects, 4) == [3, Synced(3)]


def test_what_came_before_a_device_was_here_is_not_delivered_when_it_resumes_after_a_goodbye() -> None:
    actor = user()
    actor.handle(attach(3, "web"), NOW)
    for c in (1, 2):
        actor.handle(message(c), NOW)
    actor.handle(attach(4, "phone"), NOW)
    actor.handle(Detach(4, goodbye=True), NOW)
    effects = actor.handle(attach(5, "phone", resume=2), NOW)
    assert not any(isinstance(effect, Tell) and isinstance(effect.command, MarkDelivered) for effect in effects)


def test_a_client_that_resumes_from_before_its_ack_gets_all_of_it_again() -> None:
    actor = user()
    actor.handle(attach(3, "phone"), NOW)
    actor.handle(attach(4, "web"), NOW)
    actor.handle(Filled(4), NOW)
    c = fill(actor, 3 * SLICE)
    actor.handle(Acked(3, "e", c - 1), NOW)
    got = written(actor.handle(attach(5, "phone", resume=1), NOW), 5)
    while told(actor.handle(Drained(4), NOW)):
        pass
    actor.handle(Acked(4, "e", c - 1), NOW)
    for _ in range(3):
        got += written(actor.handle(Drained(5), NOW), 5)
    assert got == [*range(2, c), Synced(c - 1)]


def test_the_ring_is_kept_for_a_device_until_its_claim_ends() -> None:
    actor = user()
    actor.handle(attach(3, "phone"), NOW)
    actor.handle(attach(4, "web"), NOW)
    assert without_presence(actor.handle(Detach(3, goodbye=False), NOW)) == [Wake(later(300_000), "claims")]
    actor.handle(message(1), NOW)
    actor.handle(Acked(4, "e", 1), NOW)
    assert actor.handle(Woken("claims"), later(299_999)) == [Wake(later(300_000), "claims")]
    assert written(actor.handle(attach(5, "phone", resume=0), later(299_999)), 5) == [1, Synced(1)]
    assert actor.handle(Woken("claims"), later(300_000)) == []
    actor.handle(Detach(5, goodbye=False), later(300_000))
    assert actor.handle(Woken("claims"), later(600_000)) == []
    assert written(actor.handle(attach(6, "phone", resume=0), later(600_000)), 6) == [Synced(1)]


def test_the_same_event_has_the_same_number_for_all_devices() -> None:
    actor = user()
    actor.handle(attach(3, "phone"), NOW)
    actor.handle(attach(4, "web"), NOW)
    delivered = message(1)
    here = (connection_address(3), connection_address(4))
    (effect,) = actor.handle(delivered, NOW)
    assert effect == Deliver(here, Numbered(delivered.encoded, 1))


@pytest.mark.parametrize("others", [0, 1, 3, 4, 20])
def test_a_repeated_log_event_is_not_numbered_again_however_many_conversations_there_are(others: int) -> None:
    actor = user()
    actor.handle(attach(3), NOW)
    actor.handle(message(2), NOW)
    for number in range(others):
        actor.handle(message(7, conversation=ConversationId(str(100 + number))), NOW)
    for number in range(others):
        assert actor.handle(message(7, conversation=ConversationId(str(100 + number))), NOW) == []
    assert actor.handle(message(2), NOW) == []
    assert actor.handle(message(1), NOW) == []
    assert written(actor.handle(message(3), NOW), 3) == [others + 2]
    assert actor.handle(message(3), NOW) == []


def test_a_stream_lacks_what_came_after_the_last_place_it_had_of_a_conversation() -> None:
    me = user()
    others = [ConversationId(str(1_000 + number)) for number in range(6)]

    def said(id: ConversationId, c: int) -> MessageSent:
        return MessageSent(conversation=id, c=c, sender=YOU, cid=f"{id} {c}", at=NOW, text="hello")

    assert me.lacks(said(ID, 1))
    for id in (ID, *others):
        me.handle(Delivered(Encoded(said(id, 4))), NOW)
        assert not me.lacks(said(ID, 4))
        assert not me.lacks(said(id, 3))
        assert me.lacks(said(id, 5))
    assert me.lacks(said(ConversationId("77"), 1))


def test_a_hello_that_waited_in_a_queue_does_not_close_the_socket_of_a_later_one() -> None:
    me = user()
    me.handle(attach(9), NOW)
    assert me.handle(attach(8), NOW) == [Tell(connection_address(8), SUPERSEDED), Reply(Asked(8, 1), UNAVAILABLE)]
    assert me.devices == 1


def test_whether_others_may_see_somebody_is_the_stores_to_keep_and_answered_once_it_is_kept() -> None:
    actor = user()
    actor.handle(attach(1), NOW)
    assert actor.standing.state == "online"
    asked = Asked(1, 5)
    assert actor.handle(Show(asked, False), NOW) == [Tell(PRESENCE_STORE, SetVisible(actor.id, asked, False))]
    assert actor.handle(VisibleSet(asked, Done()), NOW) == [Reply(asked, Done())]
