"""What clients log on one clock, and what is left in the end: all that the checker looks at."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from protocol.events import AnyLogEvent
from protocol.ids import ConversationId, UserId
from protocol.replies import Welcome


class Asked(Struct, frozen=True):
    """A device sent a request; every attempt is an entry of its own. `connection` is unique in the history."""

    at: float
    device: str
    connection: int
    request: Any


class Answered(Struct, frozen=True):
    """A reply arrived to what was asked at `asked_at`."""

    at: float
    device: str
    connection: int
    asked_at: float
    request: Any
    result: Any


class Unanswered(Struct, frozen=True):
    """The connection lived on and no reply came in the time that a client waits."""

    at: float
    device: str
    connection: int
    request: Any


class Welcomed(Struct, frozen=True):
    """A session began; `resume_u` is what the device asked to resume from, None when it did not."""

    at: float
    device: str
    connection: int
    resume_u: int | None
    welcome: Welcome


class Told(Struct, frozen=True):
    """An event arrived: `u` is None for what is not numbered."""

    at: float
    device: str
    connection: int
    u: int | None
    event: Any


class Kept(Struct, frozen=True):
    """A log event took its place in the device's own copy of a conversation."""

    at: float
    device: str
    event: AnyLogEvent


class HandedOn(Struct, frozen=True):
    """The SDK gave its application a log event; the application may die before it is done with it."""

    at: float
    device: str
    event: AnyLogEvent


class Restarted(Struct, frozen=True):
    """An SDK device's process died, and a new one begins with what the store has: `heads`, and nothing else."""

    at: float
    device: str
    heads: Mapping[ConversationId, int]


class Said(Struct, frozen=True):
    """An application gave the SDK something to send."""

    at: float
    device: str
    conversation: ConversationId
    cid: str


class Decided(Struct, frozen=True):
    """The SDK told its application where that stands, or, `c` None, that it is refused or stays unknown."""

    at: float
    device: str
    conversation: ConversationId
    cid: str
    c: int | None


class Closed(Struct, frozen=True):
    at: float
    device: str
    connection: int
    status: int


class Happened(Struct, frozen=True):
    """A fault, or its end."""

    at: float
    what: str


class Parted(Struct, frozen=True):
    """One of the two blocks the other from now on, durably; or, `ends`, nobody does any more."""

    at: float
    pair: tuple[UserId, UserId]
    ends: bool


OfApplication = Kept | HandedOn | Restarted | Said | Decided
Entry = Asked | Answered | Unanswered | Welcomed | Told | OfApplication | Closed | Happened | Parted


class Copy(Struct, frozen=True):
    """One device in the end. `logs` holds per conversation where its copy starts (exclusive) and its events.

    `unacked`: cids that it still waits for.
    """

    device: str
    user: UserId
    online: bool
    logs: Mapping[ConversationId, tuple[int, Sequence[AnyLogEvent]]]
    reads: Mapping[ConversationId, int]
    drafts: Mapping[ConversationId, str]
    unacked: Collection[str]


class Final(Struct, frozen=True):
    """The database in the end, read past every layer that is under test. Members have delivered and read marks.

    `folders` has those that are not the inbox; `pairs` are the two of each direct conversation, the lower id first.
    """

    logs: Mapping[ConversationId, Sequence[AnyLogEvent]]
    heads: Mapping[ConversationId, int]
    members: Mapping[ConversationId, Mapping[UserId, tuple[int, int]]]
    drafts: Mapping[tuple[ConversationId, UserId], str]
    creations: Mapping[tuple[UserId, str], ConversationId]
    folders: Mapping[tuple[ConversationId, UserId], str]
    pairs: Mapping[ConversationId, tuple[UserId, UserId]]


class Record(Struct, frozen=True):
    """One run. `users` names the user of each device; `healed_at` is when the last fault was over.

    `ordered` are the devices that mind the order of their sends, `broken` what callbacks and unwatched tasks raised.
    `one_writer`: no second host ever wrote beside or soon after another one, so nobody may have missed anything live.
    """

    seed: int
    entries: Sequence[Entry]
    users: Mapping[str, UserId]
    ordered: Collection[str]
    broken: Sequence[str]
    copies: Sequence[Copy]
    final: Final
    one_writer: bool
    healed_at: float


def rendered(record: Record) -> str:
    """The history as text; in the simulator the same seed gives the same text, byte for byte."""
    lines = [_line(entry) for entry in record.entries]
    for id, log in record.final.logs.items():
        lines.append(f"final {id}: head {record.final.heads[id]}, members {dict(record.final.members[id])}")
        lines += [f"  {event!r}" for event in log]
    return "\n".join(lines) + "\n"


def _line(entry: Entry) -> str:
    match entry:
        case Happened():
            return f"{entry.at:10.4f} ======== {entry.what}"
        case Kept() | HandedOn():
            verb = "keeps" if isinstance(entry, Kept) else "is handed on"
            return f"{entry.at:10.4f} {entry.device:8} {verb} {entry.event.conversation} c={entry.event.c}"
        case Restarted():
            return f"{entry.at:10.4f} {entry.device:8} starts anew with {dict(entry.heads)}"
        case Said():
            return f"{entry.at:10.4f} {entry.device:8} is to send {entry.cid} to {entry.conversation}"
        case Decided():
            return f"{entry.at:10.4f} {entry.device:8} hears of {entry.cid} in {entry.conversation}: c={entry.c}"
        case Asked():
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} asks {entry.request!r}"
        case Answered():
            asked = f"{type(entry.request).__name__} {getattr(entry.request, 'id', 0)}"
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} answered {asked}: {entry.result!r}"
        case Unanswered():
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} no answer to {entry.request!r}"
        case Welcomed():
            welcome = f"{entry.welcome.outcome} {entry.welcome.epoch} u={entry.welcome.u} (from {entry.resume_u})"
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} welcomed {welcome}"
        case Told():
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} told u={entry.u} {entry.event!r}"
        case Parted():
            return f"{entry.at:10.4f} ======== {entry.pair} are {'together again' if entry.ends else 'parted'}"
        case Closed():
            return f"{entry.at:10.4f} {entry.device:8} #{entry.connection} closed {entry.status}"
