"""A user told anything in any order: devices that come, go, resume, read slowly, and an actor that is replaced."""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.effects import Asked, Woken
from actors.user import STUCK_MS
from actors.user_commands import (
    Acked,
    Attach,
    Delivered,
    Detach,
    Drained,
    Filled,
    Reattach,
    SetBackground,
    SnapshotRead,
)
from protocol.codec import Encoded
from protocol.events import MessageSent, ReadMoved
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.requests import Resume
from tests.actors.sockets import Socket
from tests.actors.user_model import CONVERSATIONS, DEVICES, ME, POLICY, SNAPSHOT, YOU, Claim, UserModel

SIZES = st.sampled_from([10, 3_000, 20_000, 20_000])


class UserMachine(UserModel, RuleBasedStateMachine):
    def pick(self, data: st.DataObject) -> Socket | None:
        sockets = self.open_sockets()
        return data.draw(st.sampled_from(sockets)) if sockets else None

    @rule(conversation=st.sampled_from(CONVERSATIONS), mine=st.booleans(), size=SIZES, now=st.booleans())
    def message(self, conversation: ConversationId, mine: bool, size: int, now: bool) -> None:
        self.c[conversation] += 1
        event = MessageSent(
            conversation=conversation,
            c=self.c[conversation],
            sender=ME if mine else YOU,
            cid="a",
            at=self.now,
            text="x" * size,
        )
        self.mail.append(Delivered(Encoded(event)))
        if now:
            self.run()

    @rule(sizes=st.lists(SIZES, min_size=3, max_size=9))
    def messages(self, sizes: list[int]) -> None:
        for size in sizes:
            self.message(CONVERSATIONS[0], mine=False, size=size, now=True)

    @precondition(lambda self: any(self.c.values()))
    @rule(conversation=st.sampled_from(CONVERSATIONS), back=st.integers(0, 3))
    def message_again(self, conversation: ConversationId, back: int) -> None:
        """A repair after a lost answer repeats what may have been delivered."""
        c = max(self.c[conversation] - back, 0)
        event = MessageSent(conversation=conversation, c=c, sender=YOU, cid="a", at=self.now, text="again")
        if c:
            self.mail.append(Delivered(Encoded(event)))

    @rule()
    def my_read_mark(self) -> None:
        self.mail.append(Delivered(Encoded(ReadMoved(CONVERSATIONS[0], 1))))

    @rule(user=st.sampled_from(["2", "3", "4"]), c=st.integers(1, 9), now=st.booleans())
    def typing(self, user: str, c: int, now: bool) -> None:
        self.mail.append(Delivered(Encoded(Typing(CONVERSATIONS[0], c, UserId(user), "text"))))
        if now:
            self.run()

    @rule(
        device=st.sampled_from(DEVICES),
        position=st.sampled_from(["stored", "stored", "none", "future", "other epoch", "earlier"]),
        snapshot=st.booleans(),
        background=st.booleans(),
        now=st.booleans(),
    )
    def connect(self, device: str, position: str, snapshot: bool, background: bool, now: bool) -> None:
        resume = self.stored.get(device)
        match position:
            case "none":
                resume = None
            case "future":
                resume = Resume(self.epoch, len(self.truth) + 1 + len(self.mail))
            case "other epoch":
                resume = Resume("epoch-0", 0)
            case "earlier" if resume is not None:
                resume = Resume(resume.epoch, max(0, resume.u - 2))
        self.connections += 1
        socket = Socket(self.connections, device, resume, snapshot=snapshot, background=background)
        socket.expects = ["welcome"]
        self.sockets[socket.number] = socket
        self.mail.append(Attach(Asked(socket.number, 1), device, resume, snapshot, background))
        if now:
            self.run()

    @rule(data=st.data(), most=st.integers(1, 12), now=st.booleans())
    def client_reads(self, data: st.DataObject, most: int, now: bool) -> None:
        if socket := self.pick(data):
            self.take(socket, most)
        if now:
            self.run()

    def take(self, socket: Socket, most: int) -> None:
        taken, drained = socket.take(most)
        if drained:
            self.mail.append(Drained(socket.number))
        if taken and not {"snapshot", "continuity"} & set(socket.expects):
            self.stored[socket.device] = Resume(socket.epoch, socket.read)

    @rule()
    def everybody_reads_everything(self) -> None:
        self.run()
        while self.snapshots:
            self.snapshot_is_read(found=True, now=True)
        while any(socket.buffer for socket in self.open_sockets()):
            for socket in self.open_sockets():
                self.take(socket, 1_000)
            self.run()

    @rule(
        device=st.sampled_from(DEVICES),
        sizes=st.lists(SIZES, max_size=6),
        ms=st.sampled_from([0, 1, 29_999, 30_001]),
        goodbye=st.sampled_from([False, False, True]),
        acks=st.booleans(),
        position=st.sampled_from(["stored", "stored", "earlier"]),
    )
    def go_and_come_back(  # type: ignore[no-untyped-def]
        self, device, sizes, ms, goodbye, acks, position
    ) -> None:
        """Out of reach for a while, in which others write."""
        if self.socket_of(device) is None:
            self.connect(device, "stored", snapshot=True, background=False, now=True)
        self.everybody_reads_everything()
        if socket := self.socket_of(device):
            if acks:
                self.mail.append(Acked(socket.number, socket.epoch, socket.read))
            self.mail.append(Detach(socket.number, goodbye))
            self.messages(sizes)
            self.wait(ms)
            self.connect(device, position, snapshot=True, background=False, now=True)

    @rule(data=st.data(), slices=st.lists(st.tuples(SIZES, st.integers(0, 3), st.sampled_from([10, 4_000, 9_000]))))
    def reads_slowly(self, data: st.DataObject, slices: list[tuple[int, int, int]]) -> None:
        self.run()
        if socket := self.pick(data):
            self.messages([20_000] * 4)
            for size, reads, ms in slices:
                self.message(CONVERSATIONS[1], mine=False, size=size, now=True)
                self.take(socket, reads)
                self.wait(ms)

    @rule(data=st.data(), off=st.sampled_from([0, 0, 0, -3, 1, 1_000]), now=st.booleans())
    def client_acks(self, data: st.DataObject, off: int, now: bool) -> None:
        if socket := self.pick(data):
            self.mail.append(Acked(socket.number, socket.epoch, max(0, socket.read + off)))
        if now:
            self.run()

    @rule(data=st.data())
    def client_acks_another_epoch(self, data: st.DataObject) -> None:
        if socket := self.pick(data):
            self.mail.append(Acked(socket.number, "epoch-0", socket.read))

    @rule(data=st.data())
    def other_answers_fill_the_socket(self, data: st.DataObject) -> None:
        socket = self.pick(data)
        if socket and socket.write("reply", 40_000):
            self.mail.append(Filled(socket.number))

    @rule(data=st.data(), goodbye=st.booleans(), now=st.booleans())
    def connection_is_lost(self, data: st.DataObject, goodbye: bool, now: bool) -> None:
        if socket := self.pick(data):
            self.mail.append(Detach(socket.number, goodbye))
        if now:
            self.run()

    @rule(data=st.data(), on=st.booleans())
    def background(self, data: st.DataObject, on: bool) -> None:
        self.run()
        if socket := self.pick(data):
            socket.background = on
            self.mail.append(SetBackground(Asked(socket.number, 7), on))
            self.run()

    @precondition(lambda self: self.snapshots)
    @rule(found=st.sampled_from([True, True, False]), now=st.booleans())
    def snapshot_is_read(self, found: bool, now: bool) -> None:
        self.mail.append(SnapshotRead(self.snapshots.popleft().connection, SNAPSHOT if found else None))
        if now:
            self.run()

    @rule(ms=st.sampled_from([1, 500, 4_000, 11_000, 40_000]))
    def wait(self, ms: int) -> None:
        self.run()
        until = self.now + ms
        while self.timers and min(self.timers.values()) <= until:
            key = min(self.timers, key=lambda key: self.timers[key])
            self.now = max(self.now, self.timers.pop(key))
            self.mail.append(Woken(key))
            self.run()
        self.now = Millis(until)

    @rule(data=st.data())
    def wake_for_nothing(self, data: st.DataObject) -> None:
        """A timer that was replaced too late."""
        numbers = [str(number) for number in self.sockets]
        self.mail.append(Woken(data.draw(st.sampled_from([*numbers, "claims"]))))

    @rule(most=st.integers(1, 5))
    def run_some(self, most: int) -> None:
        self.run(most)

    @rule(really=st.sampled_from([*[False] * 5, True]))
    def actor_is_replaced(self, really: bool) -> None:
        """Its crash is the host's affair: sockets go on, mail waits, timers and answers of the store are gone."""
        if not really:
            return
        self.mail = deque(mail for mail in self.mail if not isinstance(mail, SnapshotRead | Woken))
        sockets = self.open_sockets()
        self.begin()
        for socket in sockets:
            socket.expects = ["continuity"]
            socket.written = socket.read = 0
            socket.epoch = self.epoch
            socket.progress_at, socket.over_at = self.now, None
            socket.buffer = deque((size, "of before") for size, _ in socket.buffer)
            self.claims[socket.device] = Claim(0)
        for socket in sockets:
            self.step(Reattach(socket.number, socket.device, socket.background))

    # -- what holds -------------------------------------------------------------------------------------------------

    @invariant()
    def what_is_due_is_done(self) -> None:
        """Whoever is over the budget and makes no progress is closed in time; a claim ends when it said it would."""
        under_way = self.mail or any(at <= self.now for at in self.timers.values())
        for socket in self.open_sockets():
            assert under_way or socket.over_at is None or self.now - socket.over_at < STUCK_MS
        for claim in self.claims.values():
            assert under_way or claim.until is None or claim.until > self.now

    @invariant()
    def the_actor_rests_when_no_device_may_resume(self) -> None:
        assert self.user.may_rest() == (not self.claims)

    def teardown(self) -> None:
        """When everybody reads and the store answers, everybody has everything; when all are gone, nothing is left."""
        self.everybody_reads_everything()
        for socket in self.open_sockets():
            assert not socket.expects
            assert socket.read == socket.written == len(self.truth)
            self.mail.append(Acked(socket.number, self.epoch, socket.read))
            self.mail.append(Detach(socket.number, goodbye=True))
        self.wait(POLICY.resume_ms)
        assert self.user.may_rest()


TestUser = UserMachine.TestCase
TestUser.settings = settings(max_examples=200, stateful_step_count=50, deadline=None, report_multiple_bugs=False)
