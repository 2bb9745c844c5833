"""What a conversation can be told, and what it asks the store. What has a tag may come from another node."""

from typing import Literal

from msgspec import UNSET, Struct

from actors.effects import Asked, Woken
from protocol.events import AnyLogEvent, ReceiptMoved
from protocol.facts import Choice
from protocol.ids import ConversationId, Millis, UserId
from protocol.requests import ChangeSettings, SendMessage


class Send(Struct, frozen=True, gc=False, tag=True):
    """`unseen`: what it shares is not there for its sender, or not at all."""

    request: Asked
    user: UserId
    wire: SendMessage
    unseen: bool = False

    @property
    def cids(self) -> tuple[str, ...]:
        """What has to be looked up in the log before this is refused."""
        after = self.wire.after
        return (self.wire.cid,) if after is UNSET else (self.wire.cid, after)


class Read(Struct, frozen=True, gc=False, tag=True):
    request: Asked
    user: UserId
    c: int

    @property
    def cids(self) -> tuple[str, ...]:
        return ()


class Choose(Struct, frozen=True, gc=False, tag=True):
    request: Asked
    user: UserId
    wire: ChangeSettings

    @property
    def cids(self) -> tuple[str, ...]:
        return ()


class Accept(Struct, frozen=True, gc=False, tag=True):
    request: Asked
    user: UserId

    @property
    def cids(self) -> tuple[str, ...]:
        return ()


class Decline(Struct, frozen=True, gc=False, tag=True):
    request: Asked
    user: UserId

    @property
    def cids(self) -> tuple[str, ...]:
        return ()


class Recheck(Struct, frozen=True, gc=False, tag=True):
    """Somebody has raised the fence: what the actor knows of blocks may not hold any more."""

    request: None = None


class MarkDelivered(Struct, frozen=True, gc=False, tag=True):
    """One of the user's devices has stored everything up to `c`."""

    user: UserId
    c: int
    request: None = None


class Type(Struct, frozen=True, gc=False, tag=True):
    user: UserId
    kind: Literal["text", "voice", "media", "stop"]
    request: None = None


class Announce(Struct, frozen=True, gc=False, tag=True):
    """Deliver what is durable already: a creation, or the events, marks and settings that a lost answer left unsaid.

    `reads` and `settings` are for the members' own devices, `receipts` for the other members.
    """

    events: tuple[AnyLogEvent, ...]
    reads: tuple[tuple[UserId, int], ...] = ()
    settings: tuple[tuple[UserId, Choice], ...] = ()
    receipts: tuple[ReceiptMoved, ...] = ()
    request: None = None


class Find(Struct, frozen=True, gc=False):
    """To the store: which of these cids of `user` are in the log? Comes back as `Looked`."""

    conversation: ConversationId
    user: UserId
    cids: tuple[str, ...]


class Answered(Struct, frozen=True, gc=False):
    """What a cid stands for."""

    digest: int
    c: int
    at: Millis


class Looked(Struct, frozen=True, gc=False):
    user: UserId
    found: tuple[tuple[str, Answered], ...]
    request: None = None


Asking = Send | Read | Choose | Accept | Decline
Mailed = Asking | MarkDelivered | Type | Announce | Recheck
"""What anybody can tell it, from any node."""
ConversationCommand = Mailed | Looked | Woken
