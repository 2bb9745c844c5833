"""How the two kinds of actors come to life on this node: a conversation by a write, a user out of nothing."""

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from actors.conversation import Conversation
from actors.conversation_commands import (
    Accept,
    Announce,
    Answered,
    Choose,
    ConversationCommand,
    Decline,
    Looked,
    MarkDelivered,
    Read,
    Recheck,
    Send,
)
from actors.conversation_commands import Type as TypeCommand
from actors.effects import Address, Woken
from actors.membership import Membership, differing, merged
from actors.user import User
from actors.user_commands import Policy, Reattach
from persistence.conversations.contract import Activated as Stored
from persistence.conversations.contract import ConversationStore, MemberState, Unit
from protocol.errors import NOT_FOUND, UNAVAILABLE
from protocol.events import ReceiptMoved
from protocol.facts import NOTHING_SET, Choice, Chosen, Fact, Marked, Said
from protocol.ids import ConversationId, UserId
from server.activation import Activated, Ticket


class ConversationTicket:
    """The right to move a conversation's head from `last_c`, until somebody raises the fence.

    `last_c`, `reads` and `settings` are also how far this host has told what is durable; `marks` are those of the
    activation, since what others were told of later ones may have gone with the actor.
    """

    __slots__ = ("_fence", "_id", "last_c", "marks", "member", "reads", "settings")

    def __init__(self, stored: Stored) -> None:
        self._id = stored.id
        self._fence = stored.fence
        self.last_c = stored.last_c
        self.member = stored.members[0].user
        self.reads = {member.user: member.read_c for member in stored.members}
        self.settings = {member.user: member.settings for member in stored.members if member.settings != NOTHING_SET}
        self.marks = {member.user: _shown(member) for member in stored.members}

    def unit(self, facts: Sequence[Fact]) -> Unit:
        return Unit(self._id, self._fence, self.last_c, tuple(facts))

    def landed(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            match fact:
                case Said():
                    self.last_c = fact.event.c
                case Marked(moved=ReceiptMoved(read_c=int(c))):
                    self.reads[fact.user] = max(self.reads[fact.user], c)
                case Chosen():
                    self.settings[fact.user] = merged(self.settings.get(fact.user, NOTHING_SET), fact.settings)

    def unsaid(self, stored: Stored) -> tuple[Announce, ...]:
        """What has become durable since, without an answer that reached this host; receipts may be told twice."""
        reads = tuple((m.user, m.read_c) for m in stored.members if m.read_c > self.reads.get(m.user, 0))
        receipts = tuple(
            ReceiptMoved(self._id, m.user, m.delivered_c, m.read_c)
            for m in stored.members
            if (m.delivered_c or m.read_c) and self.marks.get(m.user) != _shown(m)
        )
        choices = ((m.user, self._chosen(m)) for m in stored.members)
        settings = tuple((user, choice) for user, choice in choices if choice)
        announce = Announce(stored.missed, reads, settings, receipts)
        return (announce,) if stored.missed or reads or settings or receipts else ()

    def _chosen(self, member: MemberState) -> Choice | None:
        return differing(self._id, self.settings.get(member.user, NOTHING_SET), member.settings, member.settings.v)


def _shown(member: MemberState) -> tuple[int, int, str]:
    """What decides what others are told of this member's marks."""
    return member.delivered_c, member.read_c, member.settings.folder


class ConversationKind:
    """Conversations come to life by raising the fence in the store, which voids every earlier writer."""

    name = "conversation"
    mailbox = 1_024
    absent = NOT_FOUND

    def __init__(self, store: ConversationStore, idle_ms: int = 30_000) -> None:
        self.idle_ms = idle_ms
        self._store = store

    async def activate(
        self, address: Address, commands: Sequence[ConversationCommand], ticket: Ticket | None
    ) -> Activated | None:
        """Only for a member: who asks about what they may not see causes no write."""
        askers = {user for command in commands for user in _users(command)}
        earlier = ticket if isinstance(ticket, ConversationTicket) else None
        if earlier:
            askers.add(earlier.member)
        after = earlier.last_c if earlier else None
        cids = [(command.user, cid) for command in commands if isinstance(command, Send) for cid in command.cids]
        stored = await self._store.activate(ConversationId(str(address.key)), askers, cids, after)
        if stored is None:
            return None
        unsaid = earlier.unsaid(stored) if earlier else ()
        return Activated(_conversation(stored), ConversationTicket(stored), unsaid)


def _conversation(stored: Stored) -> Conversation:
    members = [
        Membership(
            member.user,
            left_c=member.left_c,
            delivered_c=member.delivered_c,
            read_c=member.read_c,
            settings=member.settings,
        )
        for member in stored.members
    ]
    known = [(known.sender, known.cid, Answered(known.digest, known.c, known.at)) for known in stored.known]
    return Conversation(
        stored.id, stored.last_c, stored.at, members, known, direct=stored.direct, blocked=stored.blocked
    )


class UserTicket:
    """A user writes nothing; holding this only tells that an actor of this user lived here before."""

    __slots__ = ()

    def unit(self, facts: Sequence[Fact]) -> Unit:
        raise TypeError("a user actor commits nothing")

    def landed(self, facts: Sequence[Fact]) -> None:
        raise TypeError("a user actor commits nothing")


LIVED = UserTicket()


class UserKind:
    """Users come to life without asking anybody, in an epoch of their own: nothing of theirs is stored."""

    name = "user"
    mailbox = 4_096
    idle_ms = 1_000
    absent = UNAVAILABLE

    def __init__(
        self,
        policy: Policy,
        new_epoch: Callable[[], str],
        attached: Callable[[UserId], Sequence[Reattach]],
    ) -> None:
        self._policy = policy
        self._new_epoch = new_epoch
        self._attached = attached

    def activate(self, address: Address, commands: Sequence[Any], ticket: Ticket | None) -> Activated:
        """Sockets that outlived an earlier actor go on with this one, in its new epoch."""
        user = UserId(str(address.key))
        first = tuple(self._attached(user)) if ticket else ()
        return Activated(User(user, self._new_epoch(), self._policy), LIVED, first)


def _users(command: ConversationCommand) -> list[UserId]:
    """Whoever is, or was, a member if the command has come to the right place."""
    match command:
        case Send() | Read() | Choose() | Accept() | Decline() | MarkDelivered() | TypeCommand() | Looked():
            return [command.user]
        case Announce():
            return [event.sender for event in command.events]
        case Woken() | Recheck():
            return []
        case _:
            assert_never(command)
