"""Between structs and the rows of Postgres: what goes into a commit, what comes out of a question."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET

from persistence.conversations.contract import Activated, Created, Heard, Known, MemberState, Moved, Scanned, Unit
from persistence.conversations.views import (
    EVENTS_A_SCAN,
    KINDS,
    Candidate,
    Membership,
    Seen,
    chosen,
    decode,
    encode,
    head_after,
    place,
)
from protocol.events import AnyLogEvent, ConversationChanged, Folder, MessageSent
from protocol.facts import NOTHING_SET, Chosen, Said, Settings
from protocol.ids import ConversationId, UserId
from protocol.shares import Share
from protocol.stories import StoryShared
from protocol.trays import StoryId

TOLD = 200
"""Code points of a message that are told with a story it shares."""

_json = msgspec.json.Encoder().encode
_told = msgspec.msgpack.Encoder().encode
_settings = msgspec.json.Decoder(Settings).decode


def arguments(units: Sequence[Unit]) -> list[list[Any]]:
    """The columns of the commit statement: seven of units, seven of events, six of marks, two of what is told of
    shared stories. Raises DataFault."""
    columns = [_columns([_unit(unit) for unit in units], 7)]
    columns.append(_columns([row for unit in units for row in _events(unit)], 7))
    columns.append(_columns([row for unit in units for row in _marks(unit)], 6))
    columns.append(_columns([row for unit in units for row in _shared(unit)], 2))
    return [column for table in columns for column in table]


def _columns(table: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*table, strict=True)] if table else [[] for _ in range(width)]


def _unit(unit: Unit) -> tuple[Any, ...]:
    at = title = None
    stirred = False
    for fact in unit.facts:
        if not isinstance(fact, Said):
            stirred = stirred or fact.shown
            continue
        at = max(at or 0, fact.event.at)
        if isinstance(fact.event, ConversationChanged) and fact.event.title is not UNSET:
            title = fact.event.title
    return int(unit.id), unit.fence, unit.last_c, head_after(unit), at, title, stirred


def _events(unit: Unit) -> list[tuple[Any, ...]]:
    said = [fact for fact in unit.facts if isinstance(fact, Said)]
    return [
        (
            int(unit.id),
            fact.event.c,
            int(fact.event.sender),
            fact.event.cid,
            KINDS[type(fact.event)],
            fact.digest,
            encode(fact.event),
        )
        for fact in said
    ]


def _shared(unit: Unit) -> list[tuple[int, bytes]]:
    """What is told of messages that share a story: the author may have to hear of it."""
    said = [fact.event for fact in unit.facts if isinstance(fact, Said) and isinstance(fact.event, MessageSent)]
    return [
        (int(unit.id), _told(_story_shared(event, event.share)))
        for event in said
        if event.share is not UNSET and event.share.kind == "story"
    ]


def _story_shared(event: MessageSent, share: Share) -> StoryShared:
    text = "" if event.text is UNSET else event.text[:TOLD]
    id = StoryId(share.id)
    return StoryShared(id, event.conversation, event.c, event.sender, event.at, text, share.reaction)


def _marks(unit: Unit) -> list[tuple[Any, ...]]:
    """One row per member, as a statement updates a row only once; marks end at the head that this unit makes."""
    head = head_after(unit)
    marks: dict[UserId, tuple[int, int, dict[str, Any], str | None]] = {}
    for fact in unit.facts:
        if isinstance(fact, Said):
            continue
        delivered_c, read_c, settings, folder = marks.get(fact.user, (0, 0, {}, None))
        if isinstance(fact, Chosen):
            folder = fact.settings.folder or folder
            marks[fact.user] = delivered_c, read_c, settings | chosen(fact), folder
        else:
            moved = fact.moved
            delivered_c, read_c = max(delivered_c, moved.delivered_c or 0), max(read_c, moved.read_c or 0)
            marks[fact.user] = delivered_c, read_c, settings, folder
    return [
        (int(unit.id), int(user), min(delivered_c, head), min(read_c, head), _json(settings).decode(), folder)
        for user, (delivered_c, read_c, settings, folder) in marks.items()
    ]


def event(row: asyncpg.Record) -> AnyLogEvent:
    """One row that is a body."""
    return decode(row[0])


def known(row: asyncpg.Record) -> tuple[Known, ...]:
    """One row of the statement FIND."""
    digests, bodies = row
    return _known(digests, bodies)


def activated(id: ConversationId, head: asyncpg.Record, state: asyncpg.Record) -> Activated:
    """The rows of the statements FENCE and RELOAD; nothing beyond the head."""
    direct, fence, last_c, at = head
    *columns, blocks, digests, bodies, missed = state
    members = tuple(
        MemberState(UserId(str(user)), left_c, delivered_c, read_c, _own(settings, folder))
        for user, left_c, delivered_c, read_c, settings, folder in zip(*columns, strict=True)
    )
    pairs = sorted({(min(pair), max(pair)) for pair in blocks})
    blocked = tuple((UserId(str(low)), UserId(str(high))) for low, high in pairs)
    known = tuple(one for one in _known(digests, bodies) if one.c <= last_c)
    return Activated(id, direct, fence, last_c, at, members, blocked, known, tuple(decode(body) for body in missed))


def _own(settings: str | None, folder: Folder) -> Settings:
    """What a member has set; most have set nothing."""
    set = _settings(settings) if settings else NOTHING_SET
    return set if folder == "inbox" else msgspec.structs.replace(set, folder=folder)


def _known(digests: Sequence[int] | None, bodies: Sequence[bytes] | None) -> tuple[Known, ...]:
    return tuple(
        Known(event.sender, event.cid, event.c, event.at, digest)
        for digest, event in zip(digests or (), map(decode, bodies or ()), strict=True)
    )


def created(row: asyncpg.Record) -> Created:
    _, digest, body, members = row
    event = decode(body)
    assert isinstance(event, ConversationChanged)
    return Created(event, tuple(UserId(str(user)) for user in members), digest, again=True)


def candidate(row: asyncpg.Record) -> Candidate:
    id, gone, head, _ = row
    return Candidate(ConversationId(str(id)), gone, head)


def seen(user: UserId, row: asyncpg.Record) -> Seen:
    """One row of the statement SEEN, asked by `user`."""
    id, kind, title, last_c, at, role, joined_c, left_c, delivered_c, read_c, folder, settings = row[:12]
    *columns, last, unread, events = row[12:]
    return Seen(
        ConversationId(str(id)),
        kind,
        title,
        last_c,
        at,
        Membership(user, role, joined_c, left_c, delivered_c, read_c, folder, msgspec.json.decode(settings)),
        [_other(*values) for values in zip(*columns, strict=True)],
        {UserId(str(other)) for other, silent in zip(columns[0], columns[4], strict=True) if silent},
        decode(last) if last else None,
        unread,
        [decode(body) for body in events],
    )


def _other(user: int, left_c: int, delivered_c: int, read_c: int, _: bool, role: Any, joined_c: int) -> Membership:
    """What is told of a member: nothing that is theirs alone."""
    return Membership(UserId(str(user)), role, joined_c, left_c, delivered_c, read_c, "inbox", {})


def scanned(events: Sequence[asyncpg.Record], members: Sequence[asyncpg.Record]) -> Scanned:
    """The rows of the statements HEARD and MOVED."""
    then = place(*events[-1][:3]) if len(events) == EVENTS_A_SCAN else None
    heard = tuple(Heard(decode(body), tuple(users)) for *_, body, users in events if users)
    return Scanned(heard, tuple(map(_moved, members)), then)


def _moved(row: asyncpg.Record) -> Moved:
    id, user, delivered_c, read_c, settings, folder, mine, others = row
    own = _own(settings, folder)
    return Moved(ConversationId(str(id)), UserId(str(user)), delivered_c, read_c, own, mine, tuple(others or ()))
