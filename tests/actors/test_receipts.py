"""Marks and receipts, case by case: what becomes durable, and what others are told when."""

from hypothesis import given
from hypothesis import strategies as st

from actors.conversation_commands import Choose, MarkDelivered, Read
from actors.effects import Commit, Deliver, Reply, Wake, Woken, user_address
from protocol.events import ReadMoved, ReceiptMoved
from protocol.facts import Choice, Chosen, Marked
from protocol.ids import UserId
from protocol.replies import Done
from protocol.requests import ChangeSettings
from tests.actors.talk import ANN, ASKED, BEN, EVE, ID, NOW, conversation, later


def test_reading_is_told_to_my_devices_and_to_the_others() -> None:
    moved = ReceiptMoved(ID, BEN, delivered_c=2, read_c=2)
    assert conversation(last_c=3).handle(Read(ASKED, BEN, 2), NOW) == [
        Commit(Marked(moved, shown=True)),
        Deliver((user_address(BEN),), ReadMoved(ID, 2)),
        Reply(ASKED, Done()),
        Deliver((user_address(ANN),), moved),
    ]


def test_reading_again_or_less_changes_nothing() -> None:
    actor = conversation(last_c=3)
    actor.handle(Read(ASKED, BEN, 2), NOW)
    for c in (0, 1, 2):
        assert actor.handle(Read(ASKED, BEN, c), NOW) == [Commit(), Reply(ASKED, Done())]


def test_what_was_delivered_is_durable_before_others_hear_of_it() -> None:
    moved = ReceiptMoved(ID, BEN, delivered_c=3)
    assert conversation(last_c=3).handle(MarkDelivered(BEN, 3), NOW) == [
        Commit(Marked(moved, shown=True)),
        Deliver((user_address(ANN),), moved),
    ]


def test_a_mark_beyond_the_head_ends_there_once_the_store_has_said_that_nobody_else_has_written() -> None:
    actor, moved = conversation(last_c=3), ReceiptMoved(ID, BEN, delivered_c=3)
    assert actor.handle(MarkDelivered(BEN, 99), NOW) == [
        Commit(),
        Commit(Marked(moved, shown=True)),
        Deliver((user_address(ANN),), moved),
    ]
    assert actor.handle(MarkDelivered(BEN, 99), NOW) == [Commit()]


def test_receipts_within_a_second_become_one_that_says_the_latest() -> None:
    actor = conversation(last_c=9)
    actor.handle(MarkDelivered(BEN, 1), NOW)
    wake = Wake(later(1_000), BEN)
    assert actor.handle(MarkDelivered(BEN, 4), later(10)) == [wake]
    assert actor.handle(Read(ASKED, BEN, 2), later(20))[-1] == wake
    assert actor.handle(MarkDelivered(BEN, 5), later(30)) == [wake]
    assert actor.handle(MarkDelivered(BEN, 3), later(40)) == []
    assert actor.handle(Woken(BEN), later(900)) == [wake]
    assert not actor.may_rest()
    assert actor.handle(Woken(BEN), later(1_000)) == [
        Commit(Marked(ReceiptMoved(ID, BEN, 5, 2), shown=True)),
        Deliver((user_address(ANN),), ReceiptMoved(ID, BEN, 5, 2)),
    ]
    assert actor.may_rest()
    assert actor.handle(Woken(BEN), later(2_000)) == []


def test_marks_that_wait_for_their_second_are_put_off_to_the_actor_that_comes_next() -> None:
    actor, successor = conversation(last_c=9), conversation(last_c=9)
    actor.handle(MarkDelivered(BEN, 1), NOW)
    actor.handle(MarkDelivered(BEN, 4), later(10))
    moved = ReceiptMoved(ID, BEN, delivered_c=4)
    effects = [effect for command in actor.put_off() for effect in successor.handle(command, later(20))]
    assert effects == [Commit(Marked(moved, shown=True)), Deliver((user_address(ANN),), moved)]


def test_a_read_mark_that_waited_is_told_without_a_second_commit() -> None:
    actor = conversation(last_c=9)
    actor.handle(MarkDelivered(BEN, 1), NOW)
    actor.handle(Read(ASKED, BEN, 2), later(20))
    assert actor.handle(Woken(BEN), later(1_000)) == [Deliver((user_address(ANN),), ReceiptMoved(ID, BEN, 2, 2))]


def test_a_read_mark_on_what_was_told_as_delivered_is_told_alone() -> None:
    actor = conversation(last_c=9)
    actor.handle(MarkDelivered(BEN, 5), NOW)
    effects = actor.handle(Read(ASKED, BEN, 3), later(1_000))
    assert effects[0] == Commit(Marked(ReceiptMoved(ID, BEN, 5, 3), shown=True))
    assert effects[-1] == Deliver((user_address(ANN),), ReceiptMoved(ID, BEN, read_c=3))


def test_a_clock_set_back_does_not_hold_receipts_up() -> None:
    actor = conversation(last_c=9)
    actor.handle(MarkDelivered(BEN, 1), NOW)
    assert len(actor.handle(MarkDelivered(BEN, 2), later(-3_600_000))) == 2


def test_marks_of_a_stranger_and_marks_that_do_not_rise_are_ignored() -> None:
    actor = conversation(last_c=9)
    assert actor.handle(MarkDelivered(EVE, 3), NOW) == []
    actor.handle(MarkDelivered(BEN, 3), NOW)
    assert actor.handle(MarkDelivered(BEN, 3), later(5_000)) == []


def test_who_sends_no_receipts_has_marks_all_the_same_that_are_not_shown() -> None:
    actor = conversation(last_c=9)
    wire = ChangeSettings(id=1, conversation=ID, send_receipts=False)
    chosen = Choice(ID, send_receipts=False, v=1)
    assert actor.handle(Choose(ASKED, BEN, wire), NOW) == [
        Commit(Chosen(BEN, chosen, shown=True)),
        Deliver((user_address(BEN),), chosen),
        Reply(ASKED, Done()),
    ]
    assert actor.handle(Read(ASKED, BEN, 3), NOW) == [
        Commit(Marked(ReceiptMoved(ID, BEN, 3, 3), shown=False)),
        Deliver((user_address(BEN),), ReadMoved(ID, 3)),
        Reply(ASKED, Done()),
    ]
    delivered = ReceiptMoved(ID, BEN, delivered_c=5)
    assert actor.handle(MarkDelivered(BEN, 5), later(1_000)) == [Commit(Marked(delivered, shown=False))]


@given(st.integers(0, 2), st.sampled_from([30, 31]))
def test_receipts_are_told_among_up_to_32_members_and_shown_among_more(extra: int, few: int) -> None:
    others = [UserId(str(number)) for number in range(100, 100 + few - 1 + extra)]
    actor = conversation(*others, last_c=9)
    effects = actor.handle(MarkDelivered(BEN, 5), NOW)
    assert effects[0] == Commit(Marked(ReceiptMoved(ID, BEN, delivered_c=5), shown=True))
    assert len(effects[1:]) == (2 + len(others) <= 32)
