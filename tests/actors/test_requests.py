"""Requests and blocks, case by case: what is withheld before accept, what brings a conversation back, who is parted."""

import pytest

from actors.conversation import Conversation
from actors.conversation_commands import Accept, Announce, Choose, Decline, MarkDelivered, Read, Recheck, Send, Type
from actors.effects import Commit, Deliver, Effect, Reply, Wake
from actors.membership import Membership
from protocol.errors import Refusal
from protocol.events import Folder, ReadMoved, ReceiptMoved
from protocol.facts import Choice, Chosen, Marked, Settings
from protocol.ids import Millis, UserId
from protocol.live import Typing
from protocol.replies import Done, Sent
from protocol.requests import ChangeSettings, SendMessage
from tests.actors.talk import ANN, ASKED, BEN, EVE, HI, ID, NOW, code, later, message, refused, to


def request(*others: UserId, folder: Folder = "requests", last_c: int = 3) -> Conversation:
    """One that Ben has not accepted."""
    members = [Membership(user) for user in (ANN, *others)]
    return Conversation(ID, last_c, Millis(0), [*members, Membership(BEN, settings=Settings(folder=folder))])


def parted(*others: UserId, last_c: int = 3, direct: bool = False) -> Conversation:
    """Ann and Ben, of whom one blocks the other."""
    members = [Membership(user) for user in (ANN, BEN, *others)]
    return Conversation(ID, last_c, Millis(0), members, direct=direct, blocked=[(ANN, BEN)])


def moved(folder: Folder, v: int = 1, *, shown: bool) -> list[Effect]:
    choice = Choice(ID, folder=folder, v=v)
    return [Commit(Chosen(BEN, choice, shown)), Deliver(to(BEN), choice)]


def test_what_is_accepted_moves_to_the_inbox_and_once_is_enough() -> None:
    actor = request()
    assert actor.handle(Accept(ASKED, BEN), NOW) == [*moved("inbox", shown=True), Reply(ASKED, Done())]
    assert actor.handle(Accept(ASKED, BEN), NOW) == [Commit(), Reply(ASKED, Done())]
    assert actor.handle(Accept(ASKED, ANN), NOW) == [Commit(), Reply(ASKED, Done())]


def test_a_stranger_has_nothing_to_accept_or_decline() -> None:
    for command in (Accept(ASKED, EVE), Decline(ASKED, EVE)):
        assert code(refused(request(), command)) == "not_found"


def test_messages_of_a_request_reach_its_member() -> None:
    sent = message(4)
    assert request().handle(Send(ASKED, ANN, HI), NOW)[1:] == [
        Deliver(to(ANN, BEN), sent),
        Reply(ASKED, Sent(4, NOW)),
    ]


def test_marks_before_accept_are_kept_and_told_to_nobody_else() -> None:
    actor = request()
    assert actor.handle(Read(ASKED, BEN, 2), NOW) == [
        Commit(Marked(ReceiptMoved(ID, BEN, 2, 2), shown=False)),
        Deliver(to(BEN), ReadMoved(ID, 2)),
        Reply(ASKED, Done()),
    ]
    delivered = ReceiptMoved(ID, BEN, delivered_c=3)
    assert actor.handle(MarkDelivered(BEN, 3), later(1_000)) == [Commit(Marked(delivered, shown=False))]
    assert actor.may_rest()


def test_marks_from_before_accept_are_told_with_it() -> None:
    actor = request()
    actor.handle(Read(ASKED, BEN, 2), NOW)
    actor.handle(MarkDelivered(BEN, 3), later(1_000))
    assert actor.handle(Accept(ASKED, BEN), later(2_000)) == [
        *moved("inbox", shown=True),
        Deliver(to(ANN), ReceiptMoved(ID, BEN, 3, 2)),
        Reply(ASKED, Done()),
    ]


def test_marks_that_moved_just_before_accept_are_told_within_the_second() -> None:
    actor = request()
    actor.handle(Read(ASKED, BEN, 2), NOW)
    accepted = actor.handle(Accept(ASKED, BEN), later(10))
    assert accepted == [*moved("inbox", shown=True), Wake(later(1_000), BEN), Reply(ASKED, Done())]


def test_who_sends_no_receipts_accepts_without_showing_any() -> None:
    actor = request()
    actor.handle(Read(ASKED, BEN, 2), NOW)
    actor.handle(Choose(ASKED, BEN, ChangeSettings(id=1, conversation=ID, send_receipts=False)), NOW)
    accepted = actor.handle(Accept(ASKED, BEN), later(2_000))
    assert accepted == [*moved("inbox", 2, shown=False), Reply(ASKED, Done())]


def test_whoever_answers_a_request_accepts_it() -> None:
    for folder in ("requests", "declined"):
        actor = request(folder=folder)
        wire = SendMessage(id=1, conversation=ID, cid="b", text="hi")
        *accepted, said, delivered, answer = actor.handle(Send(ASKED, BEN, wire), NOW)
        assert accepted == moved("inbox", shown=True)
        assert isinstance(said, Commit)
        assert isinstance(delivered, Deliver)
        assert set(delivered.audience) == set(to(ANN, BEN))
        assert answer == Reply(ASKED, Sent(4, NOW))


def test_after_a_decline_nothing_reaches_its_member_until_they_take_it_back() -> None:
    actor = request()
    assert actor.handle(Decline(ASKED, BEN), NOW) == [*moved("declined", shown=False), Reply(ASKED, Done())]
    assert actor.handle(Decline(ASKED, BEN), NOW) == [Commit(), Reply(ASKED, Done())]
    assert actor.handle(Send(ASKED, ANN, HI), NOW)[1] == Deliver(to(ANN), message(4))
    assert actor.handle(MarkDelivered(ANN, 4), NOW) == [
        Commit(Marked(ReceiptMoved(ID, ANN, delivered_c=4), shown=True))
    ]
    assert actor.handle(Accept(ASKED, BEN), NOW) == [*moved("inbox", 2, shown=True), Reply(ASKED, Done())]
    assert actor.audience == to(ANN, BEN)


def test_only_a_request_can_be_declined() -> None:
    answer = refused(request(), Decline(ASKED, ANN))
    assert isinstance(answer, Reply)
    assert isinstance(answer.result, Refusal)
    assert answer.result.code == "conflict_state"


@pytest.mark.parametrize("folder", ["requests", "declined"])
def test_nothing_is_typed_before_accept_from_or_to_its_member(folder: Folder) -> None:
    assert request(folder=folder).handle(Type(BEN, "text"), NOW) == []
    assert request(folder=folder).handle(Type(ANN, "text"), NOW) == []
    typing = Deliver(to(EVE), Typing(ID, 3, ANN, "text"))
    assert request(EVE, folder=folder).handle(Type(ANN, "text"), NOW) == [typing]


def test_who_declines_still_counts_as_a_member_so_that_nobody_can_tell() -> None:
    for folder in ("requests", "declined"):
        others = [UserId(str(number)) for number in range(100, 131)]
        actor = request(*others, folder=folder)
        assert actor.handle(MarkDelivered(ANN, 3), NOW) == [
            Commit(Marked(ReceiptMoved(ID, ANN, delivered_c=3), shown=True))
        ]


def test_between_two_of_whom_one_blocks_the_other_nothing_is_sent_typed_or_told() -> None:
    actor = parted(direct=True)
    assert actor.handle(Type(ANN, "text"), NOW) == []
    for user in (ANN, BEN):
        assert code(refused(actor, Send(ASKED, user, HI))) == "forbidden"
    delivered = ReceiptMoved(ID, BEN, delivered_c=2)
    assert actor.handle(MarkDelivered(BEN, 2), NOW) == [Commit(Marked(delivered, shown=False))]
    assert actor.handle(Announce((), receipts=(delivered,)), NOW) == []


def test_in_a_group_a_block_parts_two_and_changes_nothing_else() -> None:
    actor = parted(EVE)
    assert actor.handle(Send(ASKED, ANN, HI), NOW)[1] == Deliver(to(ANN, BEN, EVE), message(4))
    assert actor.handle(Type(ANN, "text"), NOW) == [Deliver(to(EVE), Typing(ID, 4, ANN, "text"))]
    delivered = ReceiptMoved(ID, BEN, delivered_c=2)
    assert actor.handle(MarkDelivered(BEN, 2), NOW) == [
        Commit(Marked(delivered, shown=True)),
        Deliver(to(EVE), delivered),
    ]


def test_a_retry_of_what_was_sent_before_a_block_succeeds() -> None:
    members = [Membership(ANN), Membership(BEN)]
    before = Conversation(ID, 0, Millis(0), members)
    before.handle(Send(ASKED, ANN, HI), NOW)
    known = [(user, cid, answered) for (user, cid), answered in before._answered.items()]
    actor = Conversation(ID, 1, NOW, members, known, direct=True, blocked=[(ANN, BEN)])
    assert actor.handle(Send(ASKED, ANN, HI), NOW) == [Reply(ASKED, Sent(1, NOW, dup=True))]


def test_whoever_writes_asks_whether_it_still_may_when_a_fence_was_raised() -> None:
    assert request().handle(Recheck(), NOW) == [Commit()]
