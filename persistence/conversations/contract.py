"""What is kept of conversations: the log, who is in it, how far each member got. Judged by one suite for all twins."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from protocol.conversations import Conversation, Member
from protocol.events import AnyLogEvent, ConversationChanged
from protocol.facts import Fact, Settings
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Conversations, History, SyncPage

Outcome = Literal["committed", "lost", "skipped", "known"]


class DataFault(Exception):
    """The statement was refused for what it contained; nothing of it was written."""


class Known(Struct, frozen=True, gc=False):
    """What a cid stands for in the log."""

    sender: UserId
    cid: str
    c: int
    at: Millis
    digest: int


class MemberState(Struct, frozen=True, gc=False):
    """One membership as the conversation's writer needs it; `left_c` is 0 while it lasts."""

    user: UserId
    left_c: int
    delivered_c: int
    read_c: int
    settings: Settings


class Activated(Struct, frozen=True, gc=False):
    """A conversation at the moment when `fence` voided every earlier writer.

    `blocked` are the pairs of members of whom one blocks the other, each once, the lower id first, in order.
    """

    id: ConversationId
    direct: bool
    fence: int
    last_c: int
    at: Millis
    members: tuple[MemberState, ...]
    blocked: tuple[tuple[UserId, UserId], ...]
    known: tuple[Known, ...]
    missed: tuple[AnyLogEvent, ...]


class Unit(Struct, frozen=True, gc=False):
    """What one conversation decided since its last commit: from `last_c` under `fence`, by these facts, in order."""

    id: ConversationId
    fence: int
    last_c: int
    facts: tuple[Fact, ...]


class Created(Struct, frozen=True, gc=False):
    """`again`: this creator used this cid before; `digest` is that of the first request."""

    event: ConversationChanged
    members: tuple[UserId, ...]
    digest: int
    again: bool


class Heard(Struct, frozen=True, gc=False):
    """A stored event, and those users asked about whose membership contains its place."""

    event: AnyLogEvent
    users: tuple[UserId, ...]


class Moved(Struct, frozen=True, gc=False):
    """How far a member has got and what they set. `mine`: they are among the users asked about.

    `others` are the members asked about to whom the marks are told: none when they are not shown, or the conversation
    is too large for that; nobody who has declined it, or whom a block parts from them.
    """

    conversation: ConversationId
    user: UserId
    delivered_c: int
    read_c: int
    settings: Settings
    mine: bool
    others: tuple[UserId, ...]


class Scanned(Struct, frozen=True, gc=False):
    """What the log and the memberships say has happened. `then`: ask again from there on, there is more."""

    heard: tuple[Heard, ...]
    moved: tuple[Moved, ...]
    then: str | None


class ConversationStore(Protocol):
    """Every method raises `UnavailableError`, and `DataFault` for data that is refused.

    A member who does not follow whoever opens or creates a conversation gets it as a request; a follow that is only
    asked for does not count. Of a request that is not accepted, and between two of whom one blocks the other, no marks
    are shown. What was declined is in no list, and comes in a sync only when its own member has changed something.
    """

    async def activate(
        self,
        id: ConversationId,
        askers: Collection[UserId],
        cids: Collection[tuple[UserId, str]],
        after: int | None,
    ) -> Activated | None:
        """Raise the fence and read the state, `known` for these cids, `missed` = the events with c > after (none: ()).

        A write: it waits for a commit in progress and voids any that has not run. None, and no write, when the
        conversation does not exist or none of the askers is or was a member.
        """

    async def commit(self, units: Sequence[Unit], *, wait: bool) -> list[Outcome]:
        """Make all units durable in one statement; one outcome per unit, in order. At most one unit per conversation.

        `skipped`: another transaction holds the row; with `wait` the lock is waited for instead. `known`: a cid of the
        unit is in the log already. Marks only grow and are clamped to the durable head. Marks and settings that are not
        shown change the conversation for their own member only.
        """

    async def find(self, id: ConversationId, asker: UserId, cids: Collection[str]) -> tuple[Known, ...]:
        """Those of the asker's cids that are in the log; whether they are a member changes nothing."""

    async def blocked(self, user: UserId, others: Collection[UserId]) -> set[UserId]:
        """Those of the others who block this user, or whom the user blocks; whether they exist changes nothing."""

    async def open(self, user: UserId, other: UserId) -> ConversationId | None:
        """The one direct conversation of the pair, made if absent; None when one of them blocks the other."""

    async def create(
        self, creator: UserId, cid: str, members: Sequence[UserId], title: str | None, digest: int, allowed: bool
    ) -> Created | None:
        """A group with its first event at c = 1, or what this creator's cid made before.

        Without `allowed` only the latter is looked up; None when there is nothing.
        """

    async def get(self, user: UserId, id: ConversationId) -> Conversation | None:
        """As this member (or former member) sees it."""

    async def page(
        self, user: UserId, folder: Literal["inbox", "requests", "archive"], before: str | None, limit: int
    ) -> Conversations:
        """Newest activity first, at most `limit` and 200 KiB as JSON (at least one). Requests once something was said.

        `before` is the `next` of an earlier page; raises ValueError when it is not.
        """

    async def receipts(self, user: UserId, id: ConversationId) -> tuple[Member, ...] | None:
        """How far each member has got, as far as they let it be seen."""

    async def undelivered(self, user: UserId, heads: Mapping[ConversationId, int]) -> list[tuple[ConversationId, int]]:
        """Of these heads, the ones beyond the user's stored delivered mark, clamped to the durable head."""

    async def now(self) -> Millis:
        """The database's clock."""

    async def history(
        self, user: UserId, id: ConversationId, after: int | None, before: int | None, limit: int
    ) -> History | None:
        """Events the user may read, ascending, at most `limit` and 200 KiB as JSON."""

    async def sync(
        self, user: UserId, heads: Mapping[ConversationId, int], since: Millis, only: bool, cursor: str | None
    ) -> SyncPage:
        """What changed for a client that stored these heads (docs/protocol.md §3): at most 240 KiB as JSON.

        Raises ValueError for a `cursor` that is not of a sync.
        """

    async def scan(self, since: Millis, shards: bytes, then: str | None) -> Scanned:
        """All that was stored since, by the database's clock, for the users of these shards (8,192 bits, the lowest of
        a byte first).

        Events as they were stored, some thousands at a time, each with those asked about whose membership contains its
        place; with the first of them all marks and settings that moved since. Whom nothing concerns is left out. `then`
        is that of the page before; raises ValueError when it is not of a scan.
        """

    async def count_undelivered(self, since: Millis, until: Millis, shards: bytes) -> int:
        """How often a message stored from `since` to before `until`, in a conversation of these shards, has not reached
        somebody who is a member, was one then, did not say it, and has not declined the conversation."""
