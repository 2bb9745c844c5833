"""What must be true of all that a conversation decides, and the host around it: judged effect by effect."""

from collections import defaultdict, deque
from typing import Any, Literal

from msgspec import UNSET

from actors.conversation import Conversation
from actors.conversation_commands import (
    Accept,
    Announce,
    Choose,
    ConversationCommand,
    Decline,
    Find,
    Read,
    Send,
)
from actors.effects import STORE, Asked, Commit, Deliver, Effect, Reply, Tell, Wake, user_address
from actors.membership import differing
from protocol.codec import settings_of
from protocol.digests import digest
from protocol.errors import FINAL, Refusal
from protocol.events import LogEvent, MessageSent, ReadMoved, ReceiptMoved
from protocol.facts import Choice, Chosen, Fact, Marked, Said, Settings
from protocol.ids import Millis, UserId
from protocol.live import Typing
from protocol.replies import Done, Result, Sent
from protocol.requests import SendMessage
from tests.actors.logbook import ID, Logbook

MEMBERS = [UserId("1"), UserId("2"), UserId("3")]
FORMER = UserId("4")
STRANGER = UserId("9")
EVERYBODY = [*MEMBERS, FORMER, STRANGER]
CIDS = [f"cid-{number}" for number in range(6)]

Outcome = Literal["committed", "lost", "unknown"]
Asking = Send | Read | Choose | Accept | Decline


def said(user: UserId, cid: str, c: int) -> Said:
    wire = SendMessage(id=1, conversation=ID, cid=cid, text="before")
    event = MessageSent(conversation=ID, c=c, sender=user, cid=cid, at=Millis(c), text="before")
    return Said(event, digest(wire))


class ConversationModel:
    """Runs one conversation on a logbook; every effect is judged when it is acted on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Millis(1_000_000)
        self.book = Logbook([*MEMBERS, FORMER])
        # Far back: the actor does not remember these, the log does.
        before = [(MEMBERS[0], CIDS[0]), (MEMBERS[1], CIDS[0]), (FORMER, CIDS[1])]
        before += [(MEMBERS[2], cid) for cid in CIDS[3:]]
        for c, (user, cid) in enumerate(before, 1):
            self.book.commit(said(user, cid, c))
        self.book.members.remove(FORMER)
        self.book.left.add(FORMER)
        self.book.settings[MEMBERS[2]] = Settings(folder="requests")
        self.fenced = False
        self.asked = 0
        self.open: defaultdict[UserId, deque[Asking]] = defaultdict(deque)
        self.delivered_up_to = len(self.book.log)
        self.read_up_to = dict.fromkeys(MEMBERS, 0)
        self.silent: set[UserId] = set()
        self.settings_told: defaultdict[UserId, dict[str, object]] = defaultdict(lambda: {"v": 0, "folder": "inbox"})
        self.settings_told[MEMBERS[2]] = {"v": 0, "folder": "requests"}
        self.begin()

    def begin(self) -> None:
        """A new life: what was told and wanted before is forgotten, as it is by the actor."""
        cids = [(command.user, cid) for queue in self.open.values() for command in queue for cid in command.cids]
        self.actor: Conversation = self.book.load(cids)
        self.fenced, self.apart = False, set(self.book.blocked)
        self.looks: dict[UserId, Find] = {}
        self.looked: set[Asked] = set()
        self.timers: dict[str, Millis] = {}
        self.told_at: dict[UserId, Millis] = {}
        self.wanted = dict(self.book.delivered)
        self.told = {user: (self.book.delivered[user], self.book.read[user]) for user in MEMBERS}

    # -- the host ---------------------------------------------------------------------------------------------------

    def tell(self, command: ConversationCommand, outcome: Outcome = "committed") -> None:
        effects = self.actor.handle(command, self.now)
        commits = [effect for effect in effects if isinstance(effect, Commit)]
        facts = [commit.fact for commit in commits if commit.fact is not None]
        if commits and self.fenced:
            self.reload()
            return
        known = any(self.book.find(fact.event.sender, [fact.event.cid]) for fact in facts if isinstance(fact, Said))
        if not commits or (outcome == "committed" and not known):
            for effect in effects:
                self.act(effect)
            return
        if outcome == "unknown" and not known:
            for fact in facts:
                self.book.commit(fact)
        self.reload()

    def reload(self) -> None:
        self.begin()
        unsaid = [(user, Choice(ID, **news)) for user in MEMBERS if (news := self.untold_settings(user))]
        self.tell(Announce(tuple(self.book.log[self.delivered_up_to :]), settings=tuple(unsaid)))
        undone = sorted((command for queue in self.open.values() for command in queue), key=lambda one: one.request.id)
        for command in undone:
            self.tell(command)

    def untold_settings(self, user: UserId) -> dict[str, Any]:
        """What stands differently from what this member's devices have heard."""
        told = self.settings_told[user]
        return {name: value for name, value in settings_of(self.book.settings[user]).items() if told.get(name) != value}

    def ask(self, command: Asking, outcome: Outcome) -> None:
        self.open[command.user].append(command)
        self.tell(command, outcome)

    def act(self, effect: Effect) -> None:
        match effect:
            case Commit():
                if effect.fact is not None:
                    self.commit(effect.fact)
            case Deliver():
                self.deliver(effect)
            case Reply():
                self.reply(effect.request, effect.result)
            case Tell():
                assert effect.address == STORE
                assert isinstance(effect.command, Find)
                assert effect.command.user not in self.looks
                assert effect.command.conversation == ID
                first, *_ = asked = [set(command.cids) for command in self.open[effect.command.user]]
                assert first <= set(effect.command.cids) <= set.union(*asked)
                self.looks[effect.command.user] = effect.command
            case Wake():
                assert effect.at > self.now
                self.timers[effect.key] = effect.at

    def commit(self, fact: Fact) -> None:
        """A delivered mark is durable as far as it was asked for, or with a read mark that is further."""
        if isinstance(fact, Marked) and fact.moved.delivered_c is not UNSET:
            read_c = 0 if fact.moved.read_c is UNSET else fact.moved.read_c
            self.wanted[fact.user] = max(self.wanted[fact.user], read_c)
            assert fact.moved.delivered_c == self.wanted[fact.user]
        self.book.commit(fact)
        if isinstance(fact, Chosen) and fact.settings.folder == "inbox":
            self.told[fact.user] = 0, 0
        if sum(self.folder(user) == "declined" for user in MEMBERS) > 1:
            self.silent |= set(MEMBERS)

    def folder(self, user: UserId) -> str:
        return self.book.settings[user].folder

    def hearing(self) -> set[UserId]:
        """Those whom events reach."""
        return {user for user in MEMBERS if self.folder(user) != "declined"}

    def part(self, pair: tuple[UserId, UserId]) -> None:
        """Who draws or takes back a block raises the fence with it. Nobody else may be left to hear of their marks."""
        self.book.blocked ^= {pair}
        self.silent |= set(pair)
        self.fenced = True

    def others(self, user: UserId) -> set[UserId]:
        """Those whom marks and typing of this user may reach, as far as the actor can know."""
        return {other for other in self.hearing() - {user} if (min(user, other), max(user, other)) not in self.apart}

    def deliver(self, effect: Deliver) -> None:
        audience = {UserId(str(address.key)) for address in effect.audience}
        assert len(audience) == len(effect.audience)
        assert all(address == user_address(UserId(str(address.key))) for address in effect.audience)
        assert audience <= set(MEMBERS)
        match effect.body:
            case LogEvent():
                assert audience == self.hearing()
                assert effect.body == self.book.log[effect.body.c - 1]
                assert effect.body.c == self.delivered_up_to + 1
                self.delivered_up_to += 1
            case ReceiptMoved():
                self.hear(effect.body, audience)
            case ReadMoved(read_c=c):
                (user,) = audience
                assert self.book.read[user] == c
            case Choice(v=v):
                (user,) = audience
                assert v == self.book.settings[user].v
                self.settings_told[user] |= settings_of(effect.body)
            case Typing(user=user, c=c):
                assert user in MEMBERS
                assert self.folder(user) == "inbox"
                assert audience == {other for other in self.others(user) if self.folder(other) == "inbox"}
                assert c == len(self.book.log)
            case _:
                raise AssertionError(effect.body)

    def hear(self, moved: ReceiptMoved, audience: set[UserId]) -> None:
        user = moved.user
        assert audience == self.others(user)
        assert self.book.settings[user].send_receipts is not False
        assert self.folder(user) == "inbox"
        assert self.now - self.told_at.get(user, 0) >= 1_000
        self.told_at[user] = self.now
        before = delivered_c, read_c = self.told[user]
        if moved.delivered_c is not UNSET:
            assert delivered_c < moved.delivered_c <= self.book.delivered[user]
            delivered_c = moved.delivered_c
        if moved.read_c is not UNSET:
            assert read_c < moved.read_c <= self.book.read[user]
            read_c = moved.read_c
        assert (delivered_c, read_c) != before
        self.told[user] = delivered_c, read_c

    def reply(self, request: Asked, result: Result) -> None:
        """Each request is answered once, and one sender's in their order."""
        user = UserId(str(request.connection))
        command = self.open[user].popleft()
        assert command.request == request
        if isinstance(result, Refusal):
            self.judge_refusal(command, result)
        elif isinstance(command, Send):
            assert isinstance(result, Sent)
            event = self.book.log[result.c - 1]
            assert (event.sender, event.cid, event.at) == (user, command.wire.cid, result.at)
            assert self.book.digests[result.c - 1] == digest(command.wire)
            assert result.dup or self.folder(user) == "inbox"
            assert result.dup or command.wire.after is UNSET or self.book.find(user, [command.wire.after])
        else:
            assert result == Done()
            assert user in MEMBERS
            if isinstance(command, Choose):
                assert not differing(ID, self.book.settings[user], command.wire, 0)
            if isinstance(command, Accept | Decline):
                assert self.folder(user) == ("inbox" if isinstance(command, Accept) else "declined")
            if isinstance(command, Read):
                self.read_up_to[user] = max(self.read_up_to[user], min(command.c, len(self.book.log)))
                assert self.book.read[user] >= self.read_up_to[user]

    def judge_refusal(self, command: Asking, refusal: Refusal) -> None:
        found = dict(self.book.find(command.user, command.cids))
        if isinstance(command, Send) and command.wire.cid in found:
            assert refusal.code == "id_reused"
            assert found[command.wire.cid].digest != digest(command.wire)
            return
        assert command.request in self.looked
        assert refusal.code in FINAL | {"out_of_order"}
        if command.user not in MEMBERS:
            assert refusal.code == "not_found"
        elif refusal.code == "out_of_order":
            assert isinstance(command, Send)
            assert command.wire.after not in found
        elif refusal.code == "conflict_state":
            assert isinstance(command, Decline)
            assert self.folder(command.user) == "inbox"
        elif refusal.code == "forbidden":
            assert isinstance(command, Send)
            assert self.book.cut
        else:
            assert refusal.code == "bad_request"
