"""The questions of the memory twin: functions over the committed tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from typing import Literal

import msgspec

from persistence.conversations.contract import Activated, Heard, Known, MemberState, Moved, Scanned
from persistence.conversations.database import Head, Row, Tables
from persistence.conversations.views import (
    EVENTS_A_SCAN,
    EVENTS_EACH,
    LIST_BYTES,
    LOOK_BACK,
    RECEIPTS_UP_TO,
    SYNC_BYTES,
    UNREAD,
    UNREAD_WITHIN,
    Candidate,
    Membership,
    Page,
    Seen,
    asked,
    cut_history,
    place,
    shape,
    shape_with_events,
)
from protocol.conversations import Conversation, Gone
from protocol.events import MessageSent
from protocol.facts import Settings
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Conversations, History, SyncPage


def known(tables: Tables, id: ConversationId, cids: Iterable[tuple[UserId, str]]) -> Iterable[Known]:
    """What each of these cids stands for, where it is in the log."""
    for sender, cid in dict.fromkeys(cids):
        if c := tables.places.get((id, sender, cid)):
            row = tables.events[id][c - 1]
            yield Known(sender, cid, c, row.event.at, row.digest)


def members(tables: Tables, id: ConversationId) -> list[Membership]:
    """All who are or were in it, by id."""
    return sorted(tables.members.get(id, {}).values(), key=lambda member: int(member.user))


def activated(tables: Tables, head: Head, cids: Iterable[tuple[UserId, str]], after: int | None) -> Activated:
    """The conversation as of `head`: what was committed since is left out."""
    missed = [] if after is None else tables.events.get(head.id, [])[after : head.last_c]
    return Activated(
        head.id,
        head.kind == "direct",
        head.fence,
        head.last_c,
        head.at,
        tuple(_state(member) for member in members(tables, head.id)),
        tuple(pair for pair in _pairs(tables, head.id) if tables.apart(*pair)),
        tuple(one for one in known(tables, head.id, cids) if one.c <= head.last_c),
        tuple(row.event for row in missed),
    )


def _pairs(tables: Tables, id: ConversationId) -> Iterable[tuple[UserId, UserId]]:
    return combinations((member.user for member in members(tables, id)), 2)


def _state(member: Membership) -> MemberState:
    return MemberState(
        member.user,
        member.left_c,
        member.delivered_c,
        member.read_c,
        msgspec.convert(member.settings | {"folder": member.folder}, Settings),
    )


def seen(tables: Tables, user: UserId, id: ConversationId) -> Seen | None:
    """The conversation as far as this member, or former member, may see it."""
    if not (mine := tables.members.get(id, {}).get(user)):
        return None
    head = tables.heads[id]
    rows = tables.events.get(id, [])
    last_c = mine.left_c or head.last_c
    everybody = members(tables, id)
    return Seen(
        id,
        head.kind,
        head.title,
        last_c,
        rows[last_c - 1].stored_at if mine.left_c else head.at,
        mine,
        everybody,
        {other.user for other in everybody if not _shows(other) or tables.apart(user, other.user)},
        rows[last_c - 1].event if last_c else None,
        _unread(tables, id, mine, last_c),
    )


def _shows(member: Membership) -> bool:
    return member.folder == "inbox" and member.settings.get("send_receipts", True)


def _unread(tables: Tables, id: ConversationId, mine: Membership, last_c: int) -> int:
    rows = tables.events.get(id, [])[max(mine.read_c, mine.joined_c, last_c - UNREAD_WITHIN) : last_c]
    said = (row for row in rows if isinstance(row.event, MessageSent) and row.event.sender != mine.user)
    return sum(1 for _ in islice(said, UNREAD))


def page(
    tables: Tables,
    user: UserId,
    folder: Literal["inbox", "requests", "archive"],
    end: tuple[int, int] | None,
    limit: int,
) -> Conversations:
    """Newest activity first, from below `end` on."""
    sights = (seen(tables, user, id) for id in tables.of_user.get(user, ()))
    mine = (shape(sight) for sight in sights if sight)
    listed = (one for one in mine if one.folder == folder and (folder != "requests" or one.last_c))
    found = sorted(listed, key=_activity, reverse=True)
    if end:
        found = [one for one in found if _activity(one) < end]
    page = Page(LIST_BYTES)
    for one in found[:limit]:
        if not page.take(one):
            break
    return page.listed([(one.at, one.id) for one in found[: limit + 1]])


def _activity(conversation: Conversation) -> tuple[int, int]:
    return conversation.at, int(conversation.id)


def history(
    tables: Tables, user: UserId, id: ConversationId, after: int | None, before: int | None, limit: int
) -> History | None:
    """Forwards from `after` when it is given, else backwards from `before` or the end."""
    if not (sight := seen(tables, user, id)):
        return None
    first = max(sight.mine.joined_c, 1 if after is None else after + 1)
    end = sight.last_c + 1 if before is None else min(before, sight.last_c + 1)
    events = [row.event for row in tables.events.get(id, [])[max(first, 1) - 1 : max(end - 1, 0)]]
    if after is None:
        events.reverse()
    return cut_history(events[: limit + 1], limit, backwards=after is None)


def sync(
    tables: Tables,
    user: UserId,
    heads: Mapping[ConversationId, int],
    since: Millis,
    only: bool,
    end: int,
    now: Millis,
) -> SyncPage:
    """The page of conversations with ids above `end`, of a sync that began at `now`."""
    ids = heads.keys() if only else heads.keys() | tables.of_user.get(user, {}).keys()
    rest = sorted((id for id in ids if int(id) > end), key=int)
    judged = (_candidate(tables, user, id, heads.get(id), since) for id in rest)
    candidates = [candidate for candidate in judged if candidate]
    page = Page(SYNC_BYTES)
    for candidate in candidates:
        if not page.take(_told(tables, user, candidate)):
            break
    return page.synced(candidates, now)


def _candidate(tables: Tables, user: UserId, id: ConversationId, head: int | None, since: Millis) -> Candidate | None:
    sight = seen(tables, user, id)
    if not sight:
        return Candidate(id, gone=True, head=head)
    row, left = tables.heads[id], sight.mine.left_c
    if sight.mine.folder == "declined":
        return Candidate(id, gone=False, head=None) if sight.mine.state_at > since - LOOK_BACK else None
    stirred = not left and max(row.state_at, sight.mine.state_at) > since - LOOK_BACK
    if head is not None:
        head = max(head, sight.mine.joined_c - 1)
        return Candidate(id, gone=False, head=head) if stirred or sight.last_c > head else None
    if sight.mine.folder == "requests" and not row.last_c:
        return None
    said_at = tables.events[id][left - 1].stored_at if left else row.stored_at
    return Candidate(id, gone=False, head=None) if stirred or said_at > since - LOOK_BACK else None


def _told(tables: Tables, user: UserId, candidate: Candidate) -> Conversation | Gone:
    sight = seen(tables, user, candidate.id)
    if not sight:
        return Gone(candidate.id)
    if candidate.head is None:
        return shape(sight)
    rows = tables.events.get(candidate.id, [])[candidate.head : sight.last_c][: EVENTS_EACH + 1]
    return shape_with_events(msgspec.structs.replace(sight, events=[row.event for row in rows]))


def undelivered(tables: Tables, user: UserId, heads: Mapping[ConversationId, int]) -> list[tuple[ConversationId, int]]:
    """Of these heads, those beyond the user's delivered mark, clamped to what is durable."""
    ahead = []
    for id in sorted(heads, key=int):
        mine = tables.members.get(id, {}).get(user)
        if mine and not mine.left_c and (c := min(heads[id], tables.heads[id].last_c)) > mine.delivered_c:
            ahead.append((id, c))
    return ahead


def scan(tables: Tables, since: Millis, shards: bytes, then: tuple[int, int, int] | None) -> Scanned:
    """The page after the place `then`, or the first with all that moved."""
    rows = (row for rows in tables.events.values() for row in rows if row.stored_at >= (then[0] if then else since))
    rest = sorted((row for row in rows if then is None or _place(row) > then), key=_place)
    page = rest[:EVENTS_A_SCAN]
    heard = ((row.event, _audience(tables, row, shards)) for row in page)
    return Scanned(
        tuple(Heard(event, users) for event, users in heard if users),
        () if then else tuple(_moved(tables, since, shards)),
        place(*_place(page[-1])) if len(page) == EVENTS_A_SCAN else None,
    )


def _place(row: Row) -> tuple[int, int, int]:
    return row.stored_at, int(row.event.conversation), row.event.c


def _audience(tables: Tables, row: Row, shards: bytes) -> tuple[UserId, ...]:
    """Those asked about whose membership contains the place of this event, and who have not declined it."""
    c = row.event.c
    within = (
        member
        for member in members(tables, row.event.conversation)
        if member.joined_c <= c and (not member.left_c or c <= member.left_c)
    )
    return tuple(member.user for member in within if member.folder != "declined" and asked(shards, member.user))


def _moved(tables: Tables, since: Millis, shards: bytes) -> Iterator[Moved]:
    for id in sorted(tables.members, key=int):
        there = [member for member in members(tables, id) if not member.left_c]
        for member in there:
            mine, others = asked(shards, member.user), _told_marks(tables, member, there, shards)
            if member.state_at >= since and (mine or others):
                state = _state(member)
                yield Moved(id, member.user, state.delivered_c, state.read_c, state.settings, mine, others)


def _told_marks(tables: Tables, member: Membership, there: Sequence[Membership], shards: bytes) -> tuple[UserId, ...]:
    """Those asked about who are told how far this member has got."""
    if len(there) > RECEIPTS_UP_TO or not _shows(member):
        return ()
    hearing = (other for other in there if other is not member and other.folder != "declined")
    return tuple(o.user for o in hearing if asked(shards, o.user) and not tables.apart(member.user, o.user))


def count_undelivered(tables: Tables, since: Millis, until: Millis, shards: bytes) -> int:
    """Pairs of a message stored in that time and a member, not its sender, who has not got so far nor declined."""
    messages = (
        row.event
        for id, rows in tables.events.items()
        if asked(shards, id)
        for row in rows
        if since <= row.stored_at < until and isinstance(row.event, MessageSent)
    )
    return sum(_lacks(member, event) for event in messages for member in members(tables, event.conversation))


def _lacks(member: Membership, event: MessageSent) -> bool:
    lasts = not member.left_c and member.joined_c <= event.c and member.folder != "declined"
    return lasts and member.user != event.sender and max(member.delivered_c, member.read_c) < event.c
