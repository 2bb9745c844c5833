"""A conversation told anything in any order, with commits that are lost or whose answer is, and reloads at any time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from actors.conversation import Conversation
from actors.conversation_commands import Accept, Choose, Decline, Looked, MarkDelivered, Read, Recheck, Send, Type
from actors.effects import Asked, Woken
from actors.membership import Membership
from protocol.ids import Millis, UserId
from protocol.requests import ChangeSettings, SendMessage
from tests.actors.conversation_model import CIDS, EVERYBODY, MEMBERS, ConversationModel, Outcome
from tests.actors.logbook import ID

members = st.sampled_from(MEMBERS)
everybody = st.sampled_from([*MEMBERS, *MEMBERS, *EVERYBODY])
outcomes: st.SearchStrategy[Outcome] = st.sampled_from([*["committed"] * 8, "lost", "unknown"])
places = st.integers(0, 9)


class ConversationMachine(ConversationModel, RuleBasedStateMachine):
    @initialize(direct=st.booleans())
    def start(self, direct: bool) -> None:
        self.book.direct = direct
        self.reload()

    def next(self, user: UserId) -> Asked:
        self.asked += 1
        return Asked(int(user), self.asked)

    @rule(
        user=everybody,
        cid=st.sampled_from(CIDS),
        text=st.sampled_from(["before", "hi"]),
        after=st.just(UNSET) | st.sampled_from(CIDS),
        reply_to=st.just(UNSET) | places.filter(bool),
        mentions=st.just(UNSET) | st.lists(everybody, max_size=2),
        outcome=outcomes,
    )
    def send(self, user, cid, text, after, reply_to, mentions, outcome) -> None:  # type: ignore[no-untyped-def]
        wire = SendMessage(id=1, conversation=ID, cid=cid, text=text, after=after, reply_to=reply_to, mentions=mentions)
        self.ask(Send(self.next(user), user, wire), outcome)

    @rule(user=members, cid=st.sampled_from(CIDS), outcome=outcomes)
    def send_plainly(self, user: UserId, cid: str, outcome: Outcome) -> None:
        wire = SendMessage(id=1, conversation=ID, cid=cid, text="hi")
        self.ask(Send(self.next(user), user, wire), outcome)

    @rule(user=everybody, c=places, outcome=outcomes)
    def read(self, user: UserId, c: int, outcome: Outcome) -> None:
        self.ask(Read(self.next(user), user, c), outcome)

    @rule(
        user=everybody,
        receipts=st.sampled_from([UNSET, True, False]),
        pinned=st.sampled_from([UNSET, True, False]),
        outcome=outcomes,
    )
    def choose(self, user, receipts, pinned, outcome) -> None:  # type: ignore[no-untyped-def]
        if receipts is False:
            self.silent.add(user)
        wire = ChangeSettings(id=1, conversation=ID, send_receipts=receipts, pinned=pinned)
        self.ask(Choose(self.next(user), user, wire), outcome)

    @rule(user=everybody, outcome=outcomes)
    def accept(self, user: UserId, outcome: Outcome) -> None:
        self.ask(Accept(self.next(user), user), outcome)

    @rule(user=everybody, outcome=outcomes)
    def decline(self, user: UserId, outcome: Outcome) -> None:
        self.ask(Decline(self.next(user), user), outcome)

    @rule(pair=st.sampled_from([(MEMBERS[0], MEMBERS[1]), (MEMBERS[1], MEMBERS[2])]), told=st.booleans())
    def block(self, pair: tuple[UserId, UserId], told: bool) -> None:
        """And whoever writes is told of it at once, or finds out."""
        self.part(pair)
        if told:
            self.tell(Recheck())
            assert self.apart == self.book.blocked

    @rule(user=everybody, c=places, outcome=outcomes)
    def mark_delivered(self, user: UserId, c: int, outcome: Outcome) -> None:
        if user in MEMBERS:
            self.wanted[user] = max(self.wanted[user], min(c, len(self.book.log)))
        self.tell(MarkDelivered(user, c), outcome)

    @rule(marks=st.lists(st.tuples(members, places, st.integers(0, 700)), min_size=2, max_size=6))
    def mark_in_a_hurry(self, marks: list[tuple[UserId, int, int]]) -> None:
        for user, c, ms in marks:
            if ms % 2:
                self.read(user, c, "committed")
            else:
                self.mark_delivered(user, c, "committed")
            self.wait(ms)

    @rule(user=everybody)
    def type(self, user: UserId) -> None:
        self.tell(Type(user, "text"))

    @precondition(lambda self: self.looks)
    @rule(data=st.data(), outcome=outcomes)
    def answer_a_look(self, data: st.DataObject, outcome: Outcome) -> None:
        self.look(data.draw(st.sampled_from(sorted(self.looks))), outcome)

    def look(self, user: UserId, outcome: Outcome = "committed") -> None:
        find = self.looks.pop(user)
        self.looked |= {command.request for command in self.open[user] if set(command.cids) <= set(find.cids)}
        self.tell(Looked(user, self.book.find(user, find.cids)), outcome)

    @rule(ms=st.integers(0, 2_500))
    def wait(self, ms: int) -> None:
        until = self.now + ms
        while self.timers and min(self.timers.values()) <= until:
            key = min(self.timers, key=lambda key: self.timers[key])
            self.now = max(self.now, self.timers.pop(key))
            self.tell(Woken(key))
        self.now = Millis(until)

    @rule(user=members)
    def wake_for_nothing(self, user: UserId) -> None:
        """A timer that fires early, or that was replaced too late."""
        self.tell(Woken(user))

    @rule()
    def drop_and_reload(self) -> None:
        self.reload()

    # -- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def reloading_the_log_rebuilds_the_actor(self) -> None:
        assert durable(self.actor) == durable(self.book.load())

    @invariant()
    def everything_in_the_log_was_delivered_once(self) -> None:
        assert self.delivered_up_to == len(self.book.log)

    @invariant()
    def everybodys_devices_know_their_settings(self) -> None:
        assert not any(self.untold_settings(user) for user in MEMBERS)

    @invariant()
    def it_rests_only_when_nothing_is_under_way(self) -> None:
        if self.actor.may_rest():
            assert not self.looks
            assert not any(self.open.values())
            assert self.wanted == self.book.delivered

    def teardown(self) -> None:
        while self.looks:
            self.look(next(iter(self.looks)))
        while self.timers:
            self.wait(1_000)
        assert not any(self.open.values())
        assert self.actor.may_rest()
        assert self.book.delivered == self.wanted
        assert {user: self.book.read[user] for user in MEMBERS} == self.read_up_to
        for user in {user for user in MEMBERS if self.folder(user) == "inbox"} - self.silent:
            assert self.told[user] == (self.book.delivered[user], self.book.read[user])


def durable(actor: Conversation) -> tuple[object, ...]:
    return actor.last_c, actor.at, actor.audience, sorted(map(marks, actor.members.values()))


def marks(member: Membership) -> tuple[object, ...]:
    return member.user, member.left_c, member.delivered_c, member.read_c, member.settings


TestConversation = ConversationMachine.TestCase
TestConversation.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
