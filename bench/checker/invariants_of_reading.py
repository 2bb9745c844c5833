"""Invariants 7, 8, 9: what is read is not behind what was acknowledged, marks only grow, sync gives the missing set."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from math import inf

from msgspec import UNSET

from bench.checker.history import Answered, Asked, Told
from bench.checker.index import Index
from protocol.conversations import Conversation, Gone, Member
from protocol.events import LogEvent, ReadMoved, ReceiptMoved
from protocol.ids import ConversationId, UserId
from protocol.replies import Done, History, Marks, Receipts, SyncPage
from protocol.requests import Ack, ChangeSettings, GetHistory, MarkRead, Sync

Mark = tuple[ConversationId, UserId, str]


def read_your_writes(index: Index) -> Iterator[str]:
    """(7) An answer shows all that anybody had acknowledged before the question was asked."""
    for entry in index.record.entries:
        if not isinstance(entry, Answered):
            continue
        match entry.request, entry.result:
            case _, Conversation():
                seen = {entry.result.id: entry.result.last_c}
            case GetHistory(after=after, before=before), History() if after is UNSET and before is UNSET:
                seen = {entry.request.conversation: entry.result.events[-1].c if entry.result.events else 0}
            case _:
                continue
        for id, c in seen.items():
            known = index.acked_before(id, entry.asked_at)
            if c < known:
                yield f"{entry.device} asked about {id} at {entry.asked_at:.3f}: head {c}, {known} was acknowledged"


def marks_never_fall(index: Index) -> Iterator[str]:
    """(8) Neither on a connection, nor from one look to a later one, nor in the end; never beyond what there was."""
    yield from _told_marks(index)
    yield from _looked_marks(index)
    yield from _final_marks(index)


def _told_marks(index: Index) -> Iterator[str]:
    last: dict[tuple[int, Mark], int] = {}
    for entry in index.record.entries:
        if isinstance(entry, Told):
            user = index.record.users[entry.device]
            for mark, c in _marks(entry.event, user):
                if c < last.get((entry.connection, mark), 0):
                    yield f"{entry.device} #{entry.connection} is told {mark} fell to {c}"
                last[entry.connection, mark] = c
                id, of, which = mark
                final = index.record.final.members[id][of][which == "read"]
                if c > final:
                    yield f"{entry.device} #{entry.connection} is told {mark} is {c}; in the end it is {final}"


def _looked_marks(index: Index) -> Iterator[str]:
    """By the times of question and answer; a later question must not show less than an earlier answer."""
    shown: dict[Mark, list[tuple[float, int]]] = defaultdict(list)
    for entry in index.record.entries:
        if not isinstance(entry, Answered):
            continue
        for mark, c in _answered_marks(entry, index.record.users[entry.device]):
            before = max((known for at, known in shown[mark] if at < entry.asked_at), default=0)
            if c < before:
                yield f"{entry.device} saw {mark} at {c} after it had been {before}"
            shown[mark].append((entry.at, c))


def _final_marks(index: Index) -> Iterator[str]:
    final = index.record.final
    stored = _stored(index)
    for id, members in final.members.items():
        for user, (delivered_c, read_c) in members.items():
            if max(delivered_c, read_c) > final.heads[id]:
                yield f"{user} has delivered {delivered_c} and read {read_c} of {final.heads[id]} in {id}"
            elif max(delivered_c, read_c) > stored.get((user, id), 0):
                yield f"{user} has delivered {delivered_c}, read {read_c} in {id}, stored {stored.get((user, id), 0)}"
    for entry in index.record.entries:
        if isinstance(entry, Answered) and isinstance(entry.request, MarkRead) and isinstance(entry.result, Done):
            id, user = entry.request.conversation, index.record.users[entry.device]
            read_c = final.members[id][user][1]
            if read_c < min(entry.request.c, index.acked_before(id, entry.asked_at)):
                yield f"{entry.device} had its mark {entry.request.c} in {id} acknowledged; it is {read_c}"


def settings_hold(index: Index) -> Iterator[str]:
    """(7) What a member has chosen stands until it is chosen anew: no older choice comes back after a later one.

    Except one that was asked for again: its first attempt may still be under way when a later choice is answered.
    """
    choices: dict[tuple[ConversationId, UserId], list[Answered]] = defaultdict(list)
    attempts = Counter(
        entry.request.draft
        for entry in index.record.entries
        if isinstance(entry, Asked) and isinstance(entry.request, ChangeSettings)
    )
    for entry in index.record.entries:
        if not isinstance(entry, Answered):
            continue
        user = index.record.users[entry.device]
        if isinstance(entry.request, ChangeSettings) and isinstance(entry.result, Done):
            choices[entry.request.conversation, user].append(entry)
        elif isinstance(entry.result, Conversation):
            draft = entry.result.settings.draft or None
            if draft is None or attempts[draft] < 2:
                yield from _overwritten(choices[entry.result.id, user], draft, entry.asked_at)
    for key, chosen in choices.items():
        last = index.record.final.drafts.get(key)
        if last is None or attempts[last] < 2:
            yield from _overwritten(chosen, last, inf)


def _overwritten(choices: list[Answered], draft: str | None, at: float) -> Iterator[str]:
    """`draft` is shown to who asks at `at`, though another choice was acknowledged before and asked for later."""
    known = [choice for choice in choices if choice.at < at]
    shown = next((choice.at for choice in choices if choice.request.draft == draft), -inf if draft is None else at)
    if later := [choice.request.draft for choice in known if choice.asked_at > shown]:
        yield f"{draft} stands at {at:.3f}, though {later} were chosen and acknowledged after it"


def _stored(index: Index) -> dict[tuple[UserId, ConversationId], int]:
    """How far anybody can claim to have something: what they were told, were shown, or say themselves."""
    stored: dict[tuple[UserId, ConversationId], int] = defaultdict(int)

    def at_least(user: UserId, id: ConversationId, c: int) -> None:
        stored[user, id] = max(stored[user, id], c)

    for entry in index.record.entries:
        match entry:
            case Told(event=LogEvent() as event):
                at_least(index.record.users[entry.device], event.conversation, event.c)
            case Asked(request=Ack() | Sync() as request):
                for id, c in (request.heads or {}).items():
                    at_least(index.record.users[entry.device], id, c)
            case Asked(request=MarkRead() as request):
                at_least(index.record.users[entry.device], request.conversation, request.c)
            case _:
                pass
    return stored


def _marks(event: object, me: UserId) -> Iterator[tuple[Mark, int]]:
    match event:
        case ReceiptMoved():
            if event.delivered_c is not UNSET:
                yield (event.conversation, event.user, "delivered"), event.delivered_c
            if event.read_c is not UNSET:
                yield (event.conversation, event.user, "read"), event.read_c
        case ReadMoved():
            yield (event.conversation, me, "read"), event.read_c


def _answered_marks(entry: Answered, me: UserId) -> Iterator[tuple[Mark, int]]:
    members: Sequence[Member | Marks]
    match entry.result:
        case Receipts():
            members, id = entry.result.members, entry.request.conversation
        case Conversation():
            members, id = entry.result.members, entry.result.id
            yield (id, me, "read"), entry.result.read_c
        case _:
            return
    for member in members:
        if member.delivered_c is not UNSET:
            yield (id, member.user, "delivered"), member.delivered_c
        if member.read_c is not UNSET:
            yield (id, member.user, "read"), member.read_c


def sync_gives_what_is_missing(index: Index) -> Iterator[str]:
    """(9) For what was named the events after the head, as they stand; all that has changed; nothing foreign."""
    # What the pages before one with this cursor told.
    told: dict[tuple[str, str], set[ConversationId]] = {}
    for entry in index.record.entries:
        if isinstance(entry, Answered) and isinstance(entry.request, Sync) and isinstance(entry.result, SyncPage):
            sync, page = entry.request, entry.result
            before = told.get((entry.device, sync.cursor), set()) if sync.cursor is not UNSET else set()
            yield from _synced(index, entry, sync, page, before)
            if page.cursor is not UNSET:
                told[entry.device, page.cursor] = before | {item.id for item in page.conversations}


def _synced(
    index: Index, entry: Answered, sync: Sync, page: SyncPage, before: Collection[ConversationId]
) -> Iterator[str]:
    final, user = index.record.final, index.record.users[entry.device]
    items = {item.id: item for item in page.conversations}
    for id, head in sync.heads.items():
        if id in before:
            continue
        item, known = items.get(id), index.acked_before(id, entry.asked_at)
        if user not in final.members.get(id, {}):
            if not isinstance(item, Gone):
                yield f"{entry.device} named {id}, which is not theirs, and got {item}"
        elif isinstance(item, Gone):
            yield f"{entry.device} was told that {id} is gone"
        elif (id, user) in index.declined:
            continue
        elif item is None:
            if known > head and page.cursor is UNSET:
                yield f"{entry.device} named {id} at {head} and was told nothing; {known} was acknowledged"
        else:
            events = item.events or []
            if events != final.logs[id][head : head + len(events)] or head + len(events) < min(known, head + 50):
                yield f"{entry.device} named {id} at {head} and was given {events}; {known} was acknowledged"
            if item.more is not UNSET and item.more != (item.last_c > head + len(events)):
                yield f"{entry.device} named {id} at {head}: more={item.more} with head {item.last_c}"
    for id, item in items.items():
        if id not in sync.heads and (sync.only or isinstance(item, Gone) or item.events is not UNSET):
            yield f"{entry.device} was given {item} without having named it"
    if not sync.only and sync.since == 0 and page.cursor is UNSET:
        for id, members in final.members.items():
            told = id in items or id in before or id in sync.heads or (id, user) in index.declined
            if user in members and not told and index.acked_before(id, entry.asked_at):
                yield f"{entry.device} was not told of {id}"
