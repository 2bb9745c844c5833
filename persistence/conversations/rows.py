"""Between structs and the rows of Postgres: what goes into a commit, what comes out of a question."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET

from persistence.conversations.contract import Created, Heard, Known, MemberState, Moved, Scanned, Unit
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
from protocol.events import AnyLogEvent, ConversationChanged
from protocol.facts import NOTHING_SET, Chosen, Said, Settings
from protocol.ids import ConversationId, UserId

_json = msgspec.json.Encoder().encode
_settings = msgspec.json.Decoder(Settings).decode


def arguments(units: Sequence[Unit]) -> list[list[Any]]:
    """The columns of the commit statement: seven of units, seven of events, five of marks. Raises DataFault."""
    columns = [_columns([_unit(unit) for unit in units], 7)]
    columns.append(_columns([row for unit in units for row in _events(unit)], 7))
    columns.append(_columns([row for unit in units for row in _marks(unit)], 5))
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


def _marks(unit: Unit) -> list[tuple[Any, ...]]:
    """One row per member, as a statement updates a row only once; marks end at the head that this unit makes."""
    head = head_after(unit)
    marks: dict[UserId, tuple[int, int, dict[str, Any]]] = {}
    for fact in unit.facts:
        if isinstance(fact, Said):
            continue
        delivered_c, read_c, settings = marks.get(fact.user, (0, 0, {}))
        if isinstance(fact, Chosen):
            marks[fact.user] = delivered_c, read_c, settings | chosen(fact)
        else:
            moved = fact.moved
            marks[fact.user] = max(delivered_c, moved.delivered_c or 0), max(read_c, moved.read_c or 0), settings
    return [
        (int(unit.id), int(user), min(delivered_c, head), min(read_c, head), _json(settings).decode())
        for user, (delivered_c, read_c, settings) in marks.items()
    ]


def event(row: asyncpg.Record) -> AnyLogEvent:
    """One row that is a body."""
    return decode(row[0])


def known(row: asyncpg.Record) -> tuple[Known, ...]:
    """One row of the statement FIND."""
    digests, bodies = row
    return _known(digests, bodies)


def reloaded(
    row: asyncpg.Record, last_c: int
) -> tuple[tuple[MemberState, ...], tuple[Known, ...], tuple[AnyLogEvent, ...]]:
    """One row of the statement RELOAD: members, known cids, missed events; nothing beyond `last_c`."""
    *columns, digests, bodies, missed = row
    members = tuple(
        MemberState(UserId(str(user)), left_c, delivered_c, read_c, _settings(own) if own else NOTHING_SET)
        for user, left_c, delivered_c, read_c, own in zip(*columns, strict=True)
    )
    known = tuple(one for one in _known(digests, bodies) if one.c <= last_c)
    return members, known, tuple(decode(body) for body in missed)


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
        decode(last) if last else None,
        unread,
        [decode(body) for body in events],
    )


def _other(
    user: int, left_c: int, delivered_c: int, read_c: int, send_receipts: bool, role: Any, joined_c: int
) -> Membership:
    """What is told of a member; of their settings only what decides that."""
    settings = {"send_receipts": send_receipts}
    return Membership(UserId(str(user)), role, joined_c, left_c, delivered_c, read_c, "inbox", settings)


def scanned(events: Sequence[asyncpg.Record], members: Sequence[asyncpg.Record]) -> Scanned:
    """The rows of the statements HEARD and MOVED."""
    then = place(*events[-1][:3]) if len(events) == EVENTS_A_SCAN else None
    heard = tuple(Heard(decode(body), tuple(users)) for *_, body, users in events if users)
    return Scanned(heard, tuple(map(_moved, members)), then)


def _moved(row: asyncpg.Record) -> Moved:
    id, user, delivered_c, read_c, own, mine, others = row
    settings = _settings(own) if own else NOTHING_SET
    return Moved(ConversationId(str(id)), UserId(str(user)), delivered_c, read_c, settings, mine, tuple(others or ()))
