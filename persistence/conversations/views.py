"""What a member sees of a conversation, and how lists are cut into pages: shared by every store, so that they agree."""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from persistence.conversations.contract import DataFault, Unit
from persistence.cursors import cursor
from protocol.codec import JSON, MSGPACK, settings_of
from protocol.conversations import Conversation, Gone, Member, MemberSettings
from protocol.events import AnyLogEvent, ConversationChanged, Folder, MessageSent
from protocol.facts import Chosen, Said
from protocol.ids import ConversationId, Millis, UserId, shard_of
from protocol.replies import Conversations, History, SyncPage

SYNC_BYTES = 240 * 1024
LIST_BYTES = 200 * 1024
EVENTS_EACH = 50
# With 256 members and the last event a conversation weighs up to 60 KiB more, so any one fits into an empty page.
EVENTS_EACH_BYTES = 64 * 1024
UNREAD = 100
UNREAD_WITHIN = 10_000
"""Others' messages are counted up to 100, among so many of the newest events."""
LOOK_BACK = 60_000
EVENTS_A_SCAN = 5_000
"""Events read at a time by a scan of the log."""
RECEIPTS_UP_TO = 32
"""In larger conversations nobody is told how far others have got (`actors.conversation`)."""
KINDS: dict[type[AnyLogEvent], int] = {MessageSent: 1, ConversationChanged: 2}
MESSAGE = KINDS[MessageSent]

_decode = msgspec.msgpack.Decoder(AnyLogEvent).decode
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,19})-([0-9]{1,18})", re.ASCII)


class Membership(Struct, frozen=True, gc=False):
    """One member's row; `left_c` is 0 while it lasts. `state_at` is for the store alone."""

    user: UserId
    role: Literal["owner", "admin", "member"]
    joined_c: int
    left_c: int
    delivered_c: int
    read_c: int
    folder: Folder
    settings: dict[str, Any]
    state_at: Millis = Millis(0)


class Seen(Struct, frozen=True, gc=False):
    """A conversation as far as `mine` reaches: `last_c` and `at` end where that membership ended.

    `silent` are members whose marks are not shown to `mine`.
    """

    id: ConversationId
    kind: Literal["direct", "group"]
    title: str | None
    last_c: int
    at: Millis
    mine: Membership
    members: Sequence[Membership]
    silent: Collection[UserId]
    last: AnyLogEvent | None
    unread: int
    events: Sequence[AnyLogEvent] = ()


class Candidate(Struct, frozen=True, gc=False):
    """A conversation that belongs into a sync: `head` is where its events start, None for one that was not named."""

    id: ConversationId
    gone: bool
    head: int | None


def encode(event: AnyLogEvent) -> bytes:
    """The stored body; raises DataFault for text that has no encoding."""
    try:
        body: bytes = MSGPACK.encode(event)
    except (UnicodeEncodeError, OverflowError) as fault:
        raise DataFault(f"an event of {event.conversation} has no encoding: {fault}") from fault
    return body


def decode(body: bytes) -> AnyLogEvent:
    event: AnyLogEvent = _decode(body)
    return event


def head_after(unit: Unit) -> int:
    """The head once `unit` is committed; raises DataFault when its events do not follow on `last_c` one by one."""
    head = unit.last_c
    for fact in unit.facts:
        if isinstance(fact, Said):
            head += 1
            if fact.event.c != head:
                raise DataFault(f"{unit.id}: c {fact.event.c} where {head} is due")
    return head


def chosen(fact: Chosen) -> dict[str, Any]:
    """The settings of one choice that are set, by name; its folder has a column of its own."""
    settings = settings_of(fact.settings).items()
    return {name: value for name, value in settings if name not in ("conversation", "folder")}


def shape(seen: Seen) -> Conversation:
    """CONVERSATION of docs/protocol.md §4, for the member `seen.mine`, without events."""
    mine = seen.mine
    return Conversation(
        id=seen.id,
        kind=seen.kind,
        title=seen.title if seen.title is not None else UNSET,
        members=tuple(_member(other, seen) for other in seen.members if other.joined_c <= seen.last_c),
        last_c=seen.last_c,
        joined_c=mine.joined_c,
        read_c=mine.read_c,
        unread=seen.unread,
        last=seen.last or UNSET,
        folder="archive" if mine.folder == "inbox" and mine.settings.get("archived") else mine.folder,
        settings=msgspec.convert(mine.settings, MemberSettings),
        at=seen.at,
    )


def _member(other: Membership, seen: Seen) -> Member:
    """Whoever left sees others as of then; who is silent is seen without marks by all but themself."""
    told = other.user == seen.mine.user or other.user not in seen.silent
    last_c = seen.last_c
    return Member(
        user=other.user,
        role=other.role,
        joined_c=other.joined_c,
        left_c=other.left_c if 0 < other.left_c <= last_c else UNSET,
        delivered_c=min(other.delivered_c, last_c) if told else UNSET,
        read_c=min(other.read_c, last_c) if told else UNSET,
    )


def shape_with_events(seen: Seen) -> Conversation:
    """The same with `events` and `more`; `seen.events` may be one longer than what is told."""
    events = cut(seen.events[:EVENTS_EACH], EVENTS_EACH_BYTES)
    return msgspec.structs.replace(shape(seen), events=events, more=len(events) < len(seen.events))


def cut(events: Iterable[AnyLogEvent], limit: int) -> list[AnyLogEvent]:
    """As many of the first `events` as fit into `limit` bytes of JSON, but at least one."""
    kept: list[AnyLogEvent] = []
    size = 0
    for event in events:
        size += len(JSON.encode(event)) + 1
        if kept and size > limit:
            break
        kept.append(event)
    return kept


def cut_history(events: Sequence[AnyLogEvent], limit: int, *, backwards: bool) -> History:
    """`events` in the direction asked for, up to one more than `limit`."""
    kept = cut(events[:limit], LIST_BYTES)
    more = len(kept) < len(events)
    return History(kept[::-1] if backwards else kept, more)


class Page:
    """Collects items while they fit into `limit` bytes of JSON."""

    __slots__ = ("_room", "items")

    def __init__(self, limit: int) -> None:
        self.items: list[Any] = []
        self._room = limit

    def take(self, item: Conversation | Gone) -> bool:
        """Whether `item` found room; the first always does."""
        self._room -= len(JSON.encode(item)) + 1
        if self._room < 0 and self.items:
            return False
        self.items.append(item)
        return True

    def listed(self, positions: Sequence[tuple[int, ConversationId]]) -> Conversations:
        """As a list whose items stand at `positions`; it goes on when not all of those found room."""
        if len(self.items) == len(positions):
            return Conversations(self.items)
        return Conversations(self.items, cursor(*positions[len(self.items) - 1]))

    def synced(self, candidates: Collection[Candidate], now: Millis) -> SyncPage:
        """As a page of a sync that began at `now`; it goes on when not all `candidates` found room."""
        if len(self.items) == len(candidates):
            return SyncPage(self.items, now)
        return SyncPage(self.items, now, cursor(now, self.items[-1].id))


def asked(shards: bytes, id: UserId | ConversationId) -> bool:
    """Whether this id is of one of the shards: one bit for each, the lowest of a byte first."""
    shard = shard_of(id)
    return bool(shards[shard >> 3] >> (shard & 7) & 1)


def place(at: int, conversation: int, c: int) -> str:
    """Where a page of a scan ended: a time as the store counts it, and a place in a conversation."""
    return f"{at}-{conversation}-{c}"


def read_place(text: str) -> tuple[int, int, int]:
    """Raises ValueError for anything that `place` did not make."""
    match = _PLACE.fullmatch(text)
    if not match or int(match[2]) >= 2**63:
        raise ValueError("this is no place of a scan of ours")
    return int(match[1]), int(match[2]), int(match[3])
