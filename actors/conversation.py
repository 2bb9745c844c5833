"""The conversation actor: the only writer of one log while it is active."""

from collections import defaultdict
from collections.abc import Iterable
from typing import assert_never

from msgspec import UNSET, Struct

from actors.conversation_commands import (
    Accept,
    Announce,
    Answered,
    Asking,
    Choose,
    ConversationCommand,
    Decline,
    Find,
    Looked,
    MarkDelivered,
    Read,
    Recheck,
    Send,
    Type,
)
from actors.effects import STORE, Address, Commit, Deliver, Effect, Reply, Tell, Wake, Woken, user_address
from actors.membership import RECEIPT_EVERY, Membership, differing, merged, shows
from protocol.digests import digest
from protocol.errors import ID_REUSED, NOT_FOUND, UNAVAILABLE, Refusal
from protocol.events import Folder, MessageSent, ReadMoved, ReceiptMoved
from protocol.facts import Choice, Chosen, Fact, Marked, Said
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.replies import Done, Sent

RECEIPTS_UP_TO = 32
TYPING_UP_TO = 100
ANSWERED = 256
WAITING = 128
SOUGHT = 64
"""Of those that wait so many are looked up at once: what they may find, two places each, is remembered together."""

OUT_OF_ORDER = Refusal("out_of_order", "after: that send is not in the log: send again from the first un-acked one")
NO_SUCH_TARGET = Refusal("bad_request", "reply_to: there is no such place in this conversation")
TAKES_NOTHING = Refusal("forbidden", "this person takes no messages from you")
NOTHING_TO_SHARE = Refusal("not_found", "share: there is no such post, story or profile")
NO_REQUEST = Refusal("conflict_state", "conversation: it is no request any more, and only a request can be declined")
NOT_A_MEMBER = Refusal("bad_request", "mentions: everybody mentioned must be a member of the conversation")


class _Waiting(Struct):
    """What one user asks while the log is looked through for the first `sought` of it: its order is kept."""

    commands: list[Asking]
    sought: int = 0

    def seek(self) -> tuple[str, ...]:
        """The cids to look for now."""
        self.sought = min(len(self.commands), SOUGHT)
        return tuple(dict.fromkeys(cid for command in self.commands[: self.sought] for cid in command.cids))


class Conversation:
    """One conversation: who is in it, and in which order things happened.

    `handle` decides and returns effects; the host makes Commit durable before any effect after it leaves. If a commit
    is lost, this object is dropped and reloaded. `known` are results of earlier requests that the host expects to be
    asked again; beyond those and the last 256, the commit itself finds a repeated cid in the log.

    `blocked` are pairs of members of whom one blocks the other: nothing is typed or marked from one to the other, and
    nothing is sent in a `direct` conversation. Whoever changes that raises the fence. `audience` are those whom events
    reach; a member who has declined still counts as one of the `_size`, so that nobody can tell.
    """

    __slots__ = (
        "_answered",
        "_apart",
        "_cut",
        "_size",
        "_waiting",
        "at",
        "audience",
        "id",
        "last_c",
        "members",
    )

    def __init__(
        self,
        id: ConversationId,
        last_c: int,
        at: Millis,
        members: Iterable[Membership],
        known: Iterable[tuple[UserId, str, Answered]] = (),
        *,
        direct: bool = False,
        blocked: Iterable[tuple[UserId, UserId]] = (),
    ) -> None:
        self.id = id
        self.last_c = last_c
        self.at = at
        self.members = {member.user: member for member in members}
        self.audience = self._hearing()
        self._size = sum(not member.left_c for member in self.members.values())
        self._apart = _each_way(blocked)
        self._cut = direct and bool(self._apart)
        self._answered = {(user, cid): answered for user, cid, answered in known}
        self._waiting: dict[UserId, _Waiting] = {}

    def handle(self, command: ConversationCommand, now: Millis) -> list[Effect]:
        match command:
            case Send() | Read() | Choose() | Accept() | Decline():
                if waiting := self._waiting.get(command.user):
                    return self._wait(waiting, command)
                return self._answer(command.user, [command], 0, now)
            case Looked():
                return self._looked(command, now)
            case MarkDelivered():
                return self._mark_delivered(command, now)
            case Type():
                return self._type(command)
            case Announce():
                return self._announce(command)
            case Recheck():
                # If the fence was raised this is lost, and the actor loaded anew.
                return [Commit()]
            case Woken():
                return self._receipt_due(self.members[UserId(command.key)], now)
            case _:
                assert_never(command)

    def _announce(self, announce: Announce) -> list[Effect]:
        effects: list[Effect] = [Deliver(self.audience, event) for event in announce.events]
        effects += [Deliver((user_address(user),), ReadMoved(self.id, c)) for user, c in announce.reads]
        effects += [Deliver((user_address(user),), choice) for user, choice in announce.settings]
        return effects + [told for moved in announce.receipts for told in self._told(moved)]

    def _told(self, moved: ReceiptMoved) -> list[Effect]:
        """Others hear how far this member has got; in a larger conversation they see it when they ask."""
        tells = self.members[moved.user].shown and self._size <= RECEIPTS_UP_TO
        others = self._others(moved.user) if tells else ()
        return [Deliver(others, moved)] if others else []

    def _shown(self, member: Membership) -> bool:
        """Some other member sees these marks."""
        return member.shown and not self._cut

    def may_rest(self) -> bool:
        """Nothing is under way that only this object knows."""
        return not self._waiting and not any(member.due for member in self.members.values())

    def put_off(self) -> tuple[ConversationCommand, ...]:
        """Marks wait for up to a second to be told together, and nobody says them again."""
        marks = ((member.user, max(member.wanted_c, member.delivered_c)) for member in self.members.values())
        return tuple(MarkDelivered(user, c) for user, c in marks if c)

    def _wait(self, waiting: _Waiting, command: Asking) -> list[Effect]:
        if len(waiting.commands) >= WAITING:
            return [Reply(command.request, UNAVAILABLE)]
        waiting.commands.append(command)
        return []

    def _answer(self, user: UserId, commands: list[Asking], looked: int, now: Millis) -> list[Effect]:
        """Answer what one user asks, in order; the log was looked through for the first `looked` of it.

        A refusal is final only after the cid was looked up: a retry of what was carried out succeeds even if it would
        be refused today. Strangers take the same way, so that a refusal costs the same whatever exists. What comes
        behind waits, and is looked up with it.

        What is answered without a fact goes by what this object remembers, and another one may have written since: it
        leaves once the store has said that nobody has. That of a stranger does not: they shall cause no write."""
        effects: list[Effect] = []
        for place, command in enumerate(commands):
            decided = self._decide(command, now)
            if not isinstance(decided, Refusal):
                effects += decided
            elif place < looked:
                fence = [Commit()] if self._member(user) else []
                effects += [*fence, Reply(command.request, decided)]
            else:
                waiting = self._waiting[user] = _Waiting(commands[place:])
                return [*effects, Tell(STORE, Find(self.id, user, waiting.seek()))]
        return effects

    def _decide(self, command: Asking, now: Millis) -> list[Effect] | Refusal:
        match command:
            case Send():
                return self._send(command, now)
            case Read():
                return self._read(command, now)
            case Choose():
                return self._choose(command)
            case Accept():
                return self._accept(command, now)
            case Decline():
                return self._decline(command, now)
            case _:
                assert_never(command)

    def _looked(self, looked: Looked, now: Millis) -> list[Effect]:
        for cid, answered in looked.found:
            self._remember(looked.user, cid, answered)
        waiting = self._waiting.pop(looked.user)
        return self._answer(looked.user, waiting.commands, waiting.sought, now)

    def _member(self, user: UserId) -> Membership | None:
        member = self.members.get(user)
        return member if member and not member.left_c else None

    def _send(self, send: Send, now: Millis) -> list[Effect] | Refusal:
        wire = send.wire
        sameness = digest(wire)
        if first := self._answered.get((send.user, wire.cid)):
            result = Sent(first.c, first.at, dup=True) if first.digest == sameness else ID_REUSED
            return [Reply(send.request, result)]
        if refusal := self._may_send(send):
            return refusal
        member = self.members[send.user]
        # Who answers a request accepts it.
        accepted = [] if member.accepted else self._place(member, "inbox", now)
        event = MessageSent(
            conversation=self.id,
            c=self.last_c + 1,
            sender=send.user,
            cid=wire.cid,
            at=max(now, self.at),
            text=wire.text,
            share=wire.share,
            reply_to=wire.reply_to,
            mentions=tuple(wire.mentions) if wire.mentions is not UNSET else UNSET,
        )
        said = Said(event, sameness)
        self._apply(said)
        return [*accepted, Commit(said), Deliver(self.audience, event), Reply(send.request, Sent(event.c, event.at))]

    def _may_send(self, send: Send) -> Refusal | None:
        wire = send.wire
        if not self._member(send.user):
            return NOT_FOUND
        # Before anything final: what is refused for the absence of the send before it may be right once that came.
        if wire.after is not UNSET and (send.user, wire.after) not in self._answered:
            return OUT_OF_ORDER
        if self._cut:
            return TAKES_NOTHING
        if wire.reply_to is not UNSET and wire.reply_to > self.last_c:
            return NO_SUCH_TARGET
        if wire.mentions is not UNSET and not all(self._member(user) for user in wire.mentions):
            return NOT_A_MEMBER
        if send.unseen:
            return NOTHING_TO_SHARE
        return None

    def _read(self, read: Read, now: Millis) -> list[Effect] | Refusal:
        member = self._member(read.user)
        if not member:
            return NOT_FOUND
        c = min(read.c, self.last_c)
        if c <= member.read_c:
            return [Commit(), Reply(read.request, Done())]
        marked = Marked(ReceiptMoved(self.id, read.user, max(c, member.wanted_c), c), self._shown(member))
        self._apply(marked)
        mine = Deliver((user_address(read.user),), ReadMoved(self.id, c))
        return [Commit(marked), mine, Reply(read.request, Done()), *self._receipt_due(member, now)]

    def _choose(self, choose: Choose) -> list[Effect] | Refusal:
        member = self._member(choose.user)
        if not member:
            return NOT_FOUND
        choice = differing(self.id, member.settings, choose.wire, member.settings.v + 1)
        if not choice:
            return [Commit(), Reply(choose.request, Done())]
        return [*self._set(member, choice), Reply(choose.request, Done())]

    def _accept(self, accept: Accept, now: Millis) -> list[Effect] | Refusal:
        member = self._member(accept.user)
        if not member:
            return NOT_FOUND
        moved = [Commit()] if member.accepted else self._place(member, "inbox", now)
        return [*moved, Reply(accept.request, Done())]

    def _decline(self, decline: Decline, now: Millis) -> list[Effect] | Refusal:
        member = self._member(decline.user)
        if not member:
            return NOT_FOUND
        if member.accepted:
            return NO_REQUEST
        moved = self._place(member, "declined", now) if member.hears else [Commit()]
        return [*moved, Reply(decline.request, Done())]

    def _place(self, member: Membership, folder: Folder, now: Millis) -> list[Effect]:
        """Move it to this folder of the member's. Once it is accepted the others are told how far they have got."""
        effects = self._set(member, Choice(self.id, folder=folder, v=member.settings.v + 1))
        if not member.accepted:
            return effects
        member.tell_anew()
        return effects + self._receipt_due(member, now)

    def _set(self, member: Membership, choice: Choice) -> list[Effect]:
        shown = not self._cut and shows(merged(member.settings, choice)) != member.shown
        chosen = Chosen(member.user, choice, shown)
        self._apply(chosen)
        return [Commit(chosen), Deliver((user_address(member.user),), choice)]

    def _mark_delivered(self, mark: MarkDelivered, now: Millis) -> list[Effect]:
        member = self._member(mark.user)
        if not member or mark.c <= member.wanted_c:
            return []
        # Beyond the head: somebody else has written, which the store will say, or it is not true.
        beyond: list[Effect] = [Commit()] if mark.c > self.last_c else []
        member.wanted_c = max(member.wanted_c, min(mark.c, self.last_c))
        return beyond + self._receipt_due(member, now)

    def _receipt_due(self, member: Membership, now: Millis) -> list[Effect]:
        """Tell what is due now, or when a second has passed since the last one; a clock set back holds nothing up."""
        if not member.due:
            return []
        if 0 <= now - member.told_at < RECEIPT_EVERY:
            return [Wake(Millis(member.told_at + RECEIPT_EVERY), member.user)]
        moved = member.receipt(self.id)
        durable = member.delivered_c >= member.wanted_c
        marked = Marked(moved, self._shown(member))
        self._apply(marked)
        member.told_at, member.told_delivered, member.told_read = now, member.delivered_c, member.read_c
        effects: list[Effect] = [] if durable else [Commit(marked)]
        return effects + self._told(moved)

    def _type(self, typing: Type) -> list[Effect]:
        """Nothing is typed before accept, in either direction."""
        member = self._member(typing.user)
        if not member or not member.accepted or self._size > TYPING_UP_TO:
            return []
        accepted = (address for address in self._others(typing.user) if self.members[UserId(str(address.key))].accepted)
        others = tuple(accepted)
        return [Deliver(others, Typing(self.id, self.last_c, typing.user, typing.kind))] if others else []

    def _hearing(self) -> tuple[Address, ...]:
        return tuple(user_address(user) for user, member in self.members.items() if member.hears)

    def _others(self, user: UserId) -> tuple[Address, ...]:
        """Those whom something of this user reaches that is no event of the log."""
        apart = self._apart.get(user, ())
        return tuple(address for address in self.audience if address.key != user and address.key not in apart)

    def _remember(self, user: UserId, cid: str, answered: Answered) -> None:
        self._answered.pop((user, cid), None)
        self._answered[user, cid] = answered
        if len(self._answered) > ANSWERED:
            del self._answered[next(iter(self._answered))]

    def _apply(self, fact: Fact) -> None:
        """The one place where state changes."""
        match fact:
            case Said():
                event = fact.event
                self.last_c, self.at = event.c, event.at
                self._remember(event.sender, event.cid, Answered(fact.digest, event.c, event.at))
            case Marked():
                self.members[fact.user].move(fact.moved)
            case Chosen():
                self._keep_choice(self.members[fact.user], fact.settings)
            case _:
                assert_never(fact)

    def _keep_choice(self, member: Membership, choice: Choice) -> None:
        member.settings = merged(member.settings, choice)
        if choice.folder is not UNSET:
            self.audience = self._hearing()


def _each_way(pairs: Iterable[tuple[UserId, UserId]]) -> dict[UserId, set[UserId]]:
    apart: defaultdict[UserId, set[UserId]] = defaultdict(set)
    for one, other in pairs:
        apart[one].add(other)
        apart[other].add(one)
    return dict(apart)
