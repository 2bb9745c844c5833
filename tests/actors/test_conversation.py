"""What a conversation decides, case by case: who may say what, what a retry gets, settings and typing."""

import pytest
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from actors.conversation import Conversation
from actors.conversation_commands import Announce, Answered, Choose, Find, Looked, Read, Send, Type
from actors.effects import STORE, Asked, Commit, Deliver, Reply, Tell, user_address
from actors.membership import Membership
from protocol.digests import digest
from protocol.errors import ID_REUSED, NOT_FOUND, UNAVAILABLE
from protocol.facts import Choice, Chosen, Said, Settings
from protocol.ids import UserId
from protocol.live import Typing
from protocol.replies import Done, Sent
from protocol.requests import ChangeSettings, SendMessage
from protocol.shares import Share
from tests.actors.talk import ANN, ASKED, BEN, EVE, HI, ID, NOW, code, conversation, later, message, nth, refused, to

SHARED = Share("post", "77")

# -- send -----------------------------------------------------------------------------------------------------------


def test_a_message_is_made_durable_then_delivered_then_acknowledged() -> None:
    said = Said(message(1), digest(HI))
    assert conversation().handle(Send(ASKED, ANN, HI), NOW) == [
        Commit(said),
        Deliver(to(ANN, BEN), said.event),
        Reply(ASKED, Sent(1, NOW)),
    ]


def test_a_message_says_what_it_answers_and_whom_it_mentions() -> None:
    wire = replace(HI, reply_to=2, mentions=[BEN])
    commit = conversation(last_c=2).handle(Send(ASKED, ANN, wire), NOW)[0]
    assert isinstance(commit, Commit)
    assert isinstance(commit.fact, Said)
    assert commit.fact.event == replace(message(3), reply_to=2, mentions=(BEN,))


def test_what_is_shared_needs_no_text() -> None:
    wire = replace(HI, text=UNSET, share=SHARED)
    commit = conversation().handle(Send(ASKED, ANN, wire), NOW)[0]
    assert isinstance(commit, Commit)
    assert isinstance(commit.fact, Said)
    assert commit.fact.event == replace(message(1, wire), share=SHARED)


def test_what_its_sender_does_not_see_is_refused_after_a_look_for_the_cid() -> None:
    send = Send(ASKED, ANN, replace(HI, text=UNSET, share=SHARED), unseen=True)
    assert code(refused(conversation(), send)) == "not_found"


def test_a_share_that_was_carried_out_is_answered_though_its_sender_sees_the_thing_no_more() -> None:
    wire = replace(HI, share=SHARED)
    actor = conversation(last_c=4)
    found = Looked(ANN, ((HI.cid, Answered(digest(wire), 2, NOW)),))
    assert refused(actor, Send(ASKED, ANN, wire, unseen=True), found) == Reply(ASKED, Sent(2, NOW, dup=True))
    assert actor.handle(Send(ASKED, ANN, HI, unseen=True), NOW) == [Reply(ASKED, ID_REUSED)]


def test_the_same_cid_with_the_same_request_gives_the_first_result() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, ANN, HI), NOW)
    again = Asked(6, 9)
    other_order = replace(HI, id=9, after="z")
    assert actor.handle(Send(again, ANN, other_order), later(5)) == [Reply(again, Sent(1, NOW, dup=True))]


def test_the_same_cid_with_another_request_is_reused() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, ANN, HI), NOW)
    assert actor.handle(Send(ASKED, ANN, replace(HI, text="ho")), NOW) == [Reply(ASKED, ID_REUSED)]


def test_two_people_may_use_the_same_cid() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, ANN, HI), NOW)
    assert actor.handle(Send(ASKED, BEN, HI), NOW)[2] == Reply(ASKED, Sent(2, NOW))


def test_time_in_the_log_never_goes_back() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, ANN, HI), NOW)
    assert actor.handle(Send(ASKED, ANN, nth(2)), later(-60_000))[2] == Reply(ASKED, Sent(2, NOW))


def test_a_stranger_is_told_after_a_look_that_there_is_no_such_conversation() -> None:
    for command in (
        Send(ASKED, EVE, HI),
        Read(ASKED, EVE, 1),
        Choose(ASKED, EVE, ChangeSettings(id=1, conversation=ID, pinned=True)),
    ):
        assert refused(conversation(), command) == Reply(ASKED, NOT_FOUND)


def test_a_former_member_may_not_send_but_gets_the_result_of_what_was_carried_out() -> None:
    actor = Conversation(ID, 3, NOW, [Membership(ANN), Membership(EVE, left_c=3)])
    assert refused(actor, Send(ASKED, EVE, HI)) == Reply(ASKED, NOT_FOUND)
    found = Looked(EVE, (("b", Answered(digest(HI), 2, NOW)),))
    assert refused(actor, Send(ASKED, EVE, replace(HI, cid="b")), found) == Reply(ASKED, Sent(2, NOW, dup=True))


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (replace(HI, reply_to=4), "bad_request"),
        (replace(HI, mentions=[BEN, EVE]), "bad_request"),
        (replace(HI, after="unknown"), "out_of_order"),
    ],
    ids=["an answer to what is not there", "a mention of a stranger", "after what is not in the log"],
)
def test_a_send_that_cannot_be_carried_out_is_refused_after_a_look(wire: SendMessage, expected: str) -> None:
    assert code(refused(conversation(last_c=3), Send(ASKED, ANN, wire))) == expected


def test_after_names_a_send_of_ones_own() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, BEN, nth(1)), NOW)
    assert code(refused(actor, Send(ASKED, ANN, replace(HI, after="cid-1")))) == "out_of_order"


def test_after_is_satisfied_by_a_send_that_was_just_decided() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, ANN, nth(1)), NOW)
    assert len(actor.handle(Send(ASKED, ANN, replace(HI, after="cid-1")), NOW)) == 3


def test_what_waits_behind_a_look_is_looked_up_together() -> None:
    actor = conversation(last_c=3)
    for number in range(1, 5):
        actor.handle(Send(Asked(4, number), ANN, replace(nth(number), after=f"gone {number}")), NOW)
    *_, reply, look = actor.handle(Looked(ANN, ()), NOW)
    assert code(reply) == "out_of_order"
    assert look == Tell(STORE, Find(ID, ANN, ("cid-2", "gone 2", "cid-3", "gone 3", "cid-4", "gone 4")))
    known = Answered(digest(replace(nth(3), after="gone 3")), 2, NOW)
    replies = [effect for effect in actor.handle(Looked(ANN, (("cid-3", known),)), NOW) if isinstance(effect, Reply)]
    assert [reply.request.id for reply in replies] == [2, 3, 4]
    assert [code(reply) for reply in replies] == ["out_of_order", "ok", "out_of_order"]
    assert actor.may_rest()


def test_no_more_is_looked_up_at_once_than_is_remembered() -> None:
    actor = conversation()
    for number in range(130):
        actor.handle(Send(Asked(4, number), ANN, replace(nth(number), after=f"gone {number}")), NOW)
    sought = []
    while not actor.may_rest():
        sought.append([len(e.command.cids) for e in actor.handle(Looked(ANN, ()), NOW) if isinstance(e, Tell)])
    assert sought == [[128], [126], []]


def test_after_is_satisfied_by_a_send_found_in_the_log() -> None:
    actor = conversation(last_c=1)
    wire = replace(HI, after="cid-1")
    assert actor.handle(Send(ASKED, ANN, wire), NOW) == [Tell(STORE, Find(ID, ANN, ("a", "cid-1")))]
    found = Looked(ANN, (("cid-1", Answered(7, 1, NOW)),))
    assert isinstance(actor.handle(found, NOW)[0], Commit)


def test_a_sender_keeps_their_order_while_a_look_is_pending_and_nobody_else_waits() -> None:
    actor = conversation(last_c=1)
    assert len(actor.handle(Send(Asked(4, 1), ANN, replace(HI, after="gone")), NOW)) == 1
    assert not actor.may_rest()
    assert actor.handle(Send(Asked(4, 2), ANN, nth(2)), NOW) == []
    assert actor.handle(Send(Asked(4, 3), ANN, replace(nth(3), after="cid-2")), NOW) == []
    assert actor.handle(Send(Asked(4, 4), ANN, replace(nth(4), after="gone, too")), NOW) == []
    assert actor.handle(Read(Asked(4, 5), ANN, 1), NOW) == []
    assert len(actor.handle(Send(Asked(5, 1), BEN, HI), NOW)) == 3
    effects = actor.handle(Looked(ANN, ()), NOW)
    assert [effect.request.id for effect in effects if isinstance(effect, Reply)] == [1, 2, 3]
    assert effects[-1] == Tell(STORE, Find(ID, ANN, ("cid-4", "gone, too")))
    effects = actor.handle(Looked(ANN, ()), NOW)
    assert [effect.request.id for effect in effects if isinstance(effect, Reply)] == [4, 5]


def test_past_a_bound_whoever_waits_behind_a_look_is_told_to_come_again() -> None:
    actor = conversation()
    actor.handle(Send(ASKED, EVE, HI), NOW)
    answers = [actor.handle(Read(Asked(4, number), EVE, 1), NOW) for number in range(200)]
    full = answers.index([Reply(Asked(4, 127), UNAVAILABLE)])
    assert answers[:full] == [[]] * 127
    assert all(answer == [Reply(Asked(4, 127 + n), UNAVAILABLE)] for n, answer in enumerate(answers[full:]))


def test_the_last_256_results_are_remembered_and_older_ones_left_to_the_log() -> None:
    actor = conversation()
    for number in range(300):
        actor.handle(Send(ASKED, ANN, nth(number)), NOW)
    assert actor.handle(Send(ASKED, ANN, nth(44)), NOW) == [Reply(ASKED, Sent(45, NOW, dup=True))]
    assert isinstance(actor.handle(Send(ASKED, ANN, nth(43)), NOW)[0], Commit)


def test_what_was_looked_up_outlives_what_was_remembered_before() -> None:
    known = [(ANN, f"cid-{number}", Answered(0, number + 1, NOW)) for number in range(300)]
    actor = Conversation(ID, 300, NOW, [Membership(ANN)], known)
    wire = replace(HI, reply_to=900, after="cid-0")
    answers = (("a", Answered(digest(wire), 200, NOW)), ("cid-0", Answered(0, 1, NOW)))
    assert refused(actor, Send(ASKED, ANN, wire), Looked(ANN, answers)) == Reply(ASKED, Sent(200, NOW, dup=True))
    assert len(actor.handle(Send(ASKED, ANN, replace(HI, cid="b", after="cid-0")), NOW)) == 3


def test_what_is_durable_already_is_delivered_without_another_commit() -> None:
    events = (message(1), message(2))
    assert conversation(last_c=2).handle(Announce(events), NOW) == [Deliver(to(ANN, BEN), event) for event in events]


# -- settings, typing -----------------------------------------------------------------------------------------------


def test_settings_that_receipts_do_not_depend_on_are_only_kept() -> None:
    actor = conversation()
    wire = ChangeSettings(id=1, conversation=ID, mute_until=5, pinned=True, archived=False, draft="h")
    assert actor.handle(Choose(ASKED, BEN, wire), NOW)[0] == Commit(
        Chosen(BEN, Choice(ID, 5, pinned=True, archived=False, draft="h", v=1), shown=False)
    )
    assert actor.members[BEN].shown


@pytest.mark.parametrize(
    "wire",
    [
        ChangeSettings(id=1, conversation=ID),
        ChangeSettings(id=1, conversation=ID, pinned=True),
        ChangeSettings(id=1, conversation=ID, pinned=True, archived=False, mute_until=0, draft=""),
    ],
    ids=["nothing", "one thing", "everything"],
)
def test_choosing_what_stands_already_makes_no_event(wire: ChangeSettings) -> None:
    stands = Settings(mute_until=0, pinned=True, archived=False, draft="")
    actor = Conversation(ID, 0, NOW, [Membership(ANN), Membership(BEN, settings=stands)])
    assert actor.handle(Choose(ASKED, BEN, wire), NOW) == [Commit(), Reply(ASKED, Done())]


def test_of_several_settings_those_that_changed_are_kept_and_told() -> None:
    actor = conversation()
    actor.handle(Choose(ASKED, BEN, ChangeSettings(id=1, conversation=ID, pinned=True, mute_until=5)), NOW)
    wire = ChangeSettings(id=1, conversation=ID, pinned=True, mute_until=6, archived=True)
    choice = Choice(ID, mute_until=6, archived=True, v=2)
    assert actor.handle(Choose(ASKED, BEN, wire), NOW) == [
        Commit(Chosen(BEN, choice, shown=False)),
        Deliver((user_address(BEN),), choice),
        Reply(ASKED, Done()),
    ]
    assert actor.members[BEN].settings == Settings(mute_until=6, pinned=True, archived=True, v=2)


@pytest.mark.parametrize(
    ("stands", "wanted", "shown"),
    [(UNSET, True, False), (UNSET, False, True), (True, False, True), (False, True, True)],
)
def test_others_see_only_of_receipts_whether_they_are_sent(stands: bool | UnsetType, wanted: bool, shown: bool) -> None:
    actor = Conversation(ID, 0, NOW, [Membership(BEN, settings=Settings(send_receipts=stands, v=6))])
    wire = ChangeSettings(id=1, conversation=ID, send_receipts=wanted)
    chosen = Chosen(BEN, Choice(ID, send_receipts=wanted, v=7), shown)
    assert actor.handle(Choose(ASKED, BEN, wire), NOW)[0] == Commit(chosen)


def test_settings_that_were_left_unsaid_are_told_to_their_member_alone() -> None:
    choice = Choice(ID, draft="later", v=3)
    assert conversation().handle(Announce((), settings=((BEN, choice),)), NOW) == [
        Deliver((user_address(BEN),), choice)
    ]


def test_typing_is_told_to_the_others_and_carries_the_head() -> None:
    actor = conversation(last_c=7)
    assert actor.handle(Type(BEN, "voice"), NOW) == [Deliver((user_address(ANN),), Typing(ID, 7, BEN, "voice"))]
    assert actor.handle(Type(EVE, "voice"), NOW) == []


@pytest.mark.parametrize(("members", "told"), [(100, 1), (101, 0)])
def test_typing_is_told_among_up_to_100_members(members: int, told: int) -> None:
    actor = conversation(*(UserId(str(number)) for number in range(1_000, 1_000 + members - 2)))
    assert len(actor.handle(Type(BEN, "text"), NOW)) == told
