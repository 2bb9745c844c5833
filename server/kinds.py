"""How the two kinds of actors come to life on this node: a conversation by a write, a user out of nothing."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import UNSET

from actors.conversation import Announce, Answered, Conversation, MarkDelivered, Send
from actors.conversation import Type as TypeCommand
from actors.effects import Address
from actors.membership import Membership
from actors.user import Policy, Reattach, User
from persistence.conversations.contract import Activated as Stored
from persistence.conversations.contract import ConversationStore, Unit
from protocol.errors import NOT_FOUND, UNAVAILABLE
from protocol.events import ReceiptMoved
from protocol.facts import Fact, Said
from protocol.ids import ConversationId, UserId
from server.activation import Activated, Ticket


class ConversationTicket:
    """The right to move a conversation's head from `last_c`, until somebody raises the fence.

    `last_c` and `reads` are also how far this host has told what is durable; `marks` are those of the activation, since
    what others were told of later ones may have gone with the actor.
    """

    __slots__ = ("_fence", "_id", "last_c", "marks", "member", "reads")

    def __init__(self, stored: Stored) -> None:
        self._id = stored.id
        self._fence = stored.fence
        self.last_c = stored.last_c
        self.member = stored.members[0].user
        self.reads = {member.user: member.read_c for member in stored.members}
        self.marks = {member.user: (member.delivered_c, member.read_c) for member in stored.members}

    def unit(self, facts: Sequence[Fact]) -> Unit:
        return Unit(self._id, self._fence, self.last_c, tuple(facts))

    def landed(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            match fact:
                case Said():
                    self.last_c = fact.event.c
                case ReceiptMoved(read_c=int(c)):
                    self.reads[fact.user] = max(self.reads[fact.user], c)

    def unsaid(self, stored: Stored) -> tuple[Announce, ...]:
        """What has become durable since, without an answer that reached this host; receipts may be told twice."""
        reads = tuple((m.user, m.read_c) for m in stored.members if m.read_c > self.reads.get(m.user, 0))
        receipts = tuple(
            ReceiptMoved(self._id, m.user, m.delivered_c, m.read_c)
            for m in stored.members
            if self.marks.get(m.user) != (m.delivered_c, m.read_c)
        )
        return (Announce(stored.missed, reads, receipts),) if stored.missed or reads or receipts else ()


class ConversationKind:
    name = "conversation"
    mailbox = 1_024
    idle_ms = 30_000
    absent = NOT_FOUND

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    async def activate(self, address: Address, commands: Sequence[Any], ticket: Ticket | None) -> Activated | None:
        """Only for a member: who asks about what they may not see causes no write."""
        askers = {user for command in commands for user in _users(command)}
        earlier = ticket if isinstance(ticket, ConversationTicket) else None
        if earlier:
            askers.add(earlier.member)
        after = earlier.last_c if earlier else None
        cids = [pair for command in commands if isinstance(command, Send) for pair in _cids(command)]
        stored = await self._store.activate(ConversationId(str(address.key)), askers, cids, after)
        if stored is None:
            return None
        actor = Conversation(
            stored.id,
            stored.last_c,
            stored.at,
            [
                Membership(
                    member.user,
                    member.role,
                    joined_c=member.joined_c,
                    left_c=member.left_c,
                    delivered_c=member.delivered_c,
                    read_c=member.read_c,
                    send_receipts=member.send_receipts,
                )
                for member in stored.members
            ],
            [(known.sender, known.cid, Answered(known.digest, known.c, known.at)) for known in stored.known],
        )
        return Activated(actor, ConversationTicket(stored), earlier.unsaid(stored) if earlier else ())


class UserTicket:
    """A user writes nothing; holding this only tells that an actor of this user lived here before."""

    __slots__ = ()

    def unit(self, facts: Sequence[Fact]) -> Unit:
        raise TypeError("a user actor commits nothing")

    def landed(self, facts: Sequence[Fact]) -> None:
        raise TypeError("a user actor commits nothing")


LIVED = UserTicket()


class UserKind:
    name = "user"
    mailbox = 4_096
    idle_ms = 1_000
    absent = UNAVAILABLE

    def __init__(
        self, policy: Policy, new_epoch: Callable[[], str], attached: Callable[[UserId], Sequence[Reattach]]
    ) -> None:
        self._policy = policy
        self._new_epoch = new_epoch
        self._attached = attached

    def activate(self, address: Address, commands: Sequence[Any], ticket: Ticket | None) -> Activated:
        """Sockets that outlived an earlier actor go on with this one, in its new epoch."""
        user = UserId(str(address.key))
        first = tuple(self._attached(user)) if ticket else ()
        return Activated(User(user, self._new_epoch(), self._policy), LIVED, first)


def _users(command: Any) -> list[UserId]:
    match command:
        case Announce():
            return [event.sender for event in command.events]
        case MarkDelivered() | TypeCommand():
            return [command.user]
        case _:
            return [command.user] if hasattr(command, "user") else []


def _cids(send: Send) -> list[tuple[UserId, str]]:
    cids = [send.wire.cid] if send.wire.after is UNSET else [send.wire.cid, send.wire.after]
    return [(send.user, cid) for cid in cids]
