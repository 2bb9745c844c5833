"""Invariants 4, 10, 13: streams are numbered without a gap, reach all whom they concern and nobody else."""

from collections import defaultdict
from collections.abc import Iterator

from bench.checker.history import Answered, HandedOn, Kept, Restarted, Told, Welcomed
from bench.checker.index import Index
from protocol.conversations import Conversation
from protocol.errors import Refusal
from protocol.events import LogEvent
from protocol.ids import ConversationId, UserId
from protocol.replies import Conversations, History, Opened, SyncPage, Welcome
from protocol.session import Continuity, Ping, Snapshot, Synced


def u_goes_up_by_one(index: Index) -> Iterator[str]:
    """(4) On every connection, and across resumes; `synced` comes when everything up to its u has come."""
    at: dict[str, int] = {}
    owed: dict[str, int] = {}
    for entry in index.record.entries:
        match entry:
            case Welcomed():
                resumed = entry.welcome.outcome == "resumed" and entry.resume_u is not None
                at[entry.device] = entry.resume_u if resumed and entry.resume_u is not None else entry.welcome.u
                owed[entry.device] = entry.welcome.u
            case Told(event=Continuity()):
                at[entry.device] = entry.event.u
            case Told(event=Ping()) if entry.event.u != at[entry.device]:
                yield f"{entry.device} #{entry.connection} is asked for u={entry.event.u}, has {at[entry.device]}"
            case Told(event=Synced()):
                if entry.event.u != at[entry.device] or entry.event.u < owed[entry.device]:
                    yield f"{entry.device} #{entry.connection} is synced at u={entry.event.u}, has {at[entry.device]}"
            case Told(u=int(u)):
                if u != at[entry.device] + 1:
                    yield f"{entry.device} #{entry.connection} is told u={u} after {at[entry.device]}"
                at[entry.device] = u


def one_stream_for_all_devices(index: Index) -> Iterator[str]:
    """(4) In one epoch a u is one event, whichever device is told; a log's events stand in it in order.

    Without a hole, too, when there was but one writer: whatever became durable was said. What was acknowledged before
    the epoch began may be missing, though a look at the log may repeat some of it: everybody read it as they came.
    """
    epochs: dict[str, str] = {}
    began: dict[str, float] = {}
    streams: dict[tuple[UserId, str], dict[int, object]] = defaultdict(dict)
    for entry in index.record.entries:
        match entry:
            case Welcomed():
                epochs[entry.device] = entry.welcome.epoch
                began.setdefault(entry.welcome.epoch, entry.at)
            case Told(event=Continuity()):
                epochs[entry.device] = entry.event.epoch
                began.setdefault(entry.event.epoch, entry.at)
            case Told(u=int(u)):
                user = index.record.users[entry.device]
                first = streams[user, epochs[entry.device]].setdefault(u, entry.event)
                if first != entry.event:
                    yield f"{entry.device} is told u={u} is {entry.event}; others had {first}"
    for (user, epoch), stream in streams.items():
        heads: dict[ConversationId, tuple[int, int]] = {}
        for u in sorted(stream):
            event = stream[u]
            if not isinstance(event, LogEvent):
                continue
            before, before_u = heads.get(event.conversation, (0, 0))
            # A creation that was asked for again is announced again, in whatever epoch there is.
            read = max(before, index.acked_before(event.conversation, began[epoch]))
            declined = (event.conversation, user) in index.declined
            hole = (
                not declined
                and before > 1
                and event.c > read + 1
                and index.record.one_writer
                and _unbroken(stream, before_u, u)
            )
            if event.c <= before or hole:
                yield f"the stream {epoch} of {user} has c={event.c} of {event.conversation} after {before}"
            heads[event.conversation] = event.c, u


def _unbroken(stream: dict[int, object], first: int, last: int) -> bool:
    """Some device was told everything in between."""
    return all(u in stream for u in range(first, last))


def copies_have_no_holes(index: Index) -> Iterator[str]:
    """(4) What a device keeps of a conversation goes up by one."""
    yield from _holes(index, Kept)


def sdk_hands_on_without_a_hole(index: Index) -> Iterator[str]:
    """(4) The SDK hands on strictly increasing c per conversation without a hole.

    A new process goes on where the store ends: what an earlier one was handed on and had not stored comes again.
    """
    yield from _holes(index, HandedOn)


def _holes(index: Index, kind: type[Kept | HandedOn]) -> Iterator[str]:
    heads: dict[str, dict[ConversationId, int]] = defaultdict(dict)
    for entry in index.record.entries:
        if isinstance(entry, Restarted):
            heads[entry.device] = dict(entry.heads)
        elif isinstance(entry, kind):
            known, id, c = heads[entry.device], entry.event.conversation, entry.event.c
            if c != known.get(id, c - 1) + 1:
                yield f"{entry.device} {'keeps' if kind is Kept else 'is handed'} c={c} of {id} after {known[id]}"
            known[id] = c


def nobody_else_is_told(index: Index) -> Iterator[str]:
    """(10) Nothing of a conversation reaches who is not in it, by an event or by an answer."""
    members = index.record.final.members
    for entry in index.record.entries:
        if not isinstance(entry, Told | Answered):
            continue
        user = index.record.users[entry.device]
        shown = entry.event if isinstance(entry, Told) else entry.result
        for id in _conversations(shown):
            if user not in members.get(id, {}):
                yield f"{entry.device} is shown something of {id}: {shown}"
        if isinstance(entry, Answered):
            asked = getattr(entry.request, "conversation", None)
            if asked and user not in members.get(asked, {}) and not isinstance(shown, Refusal):
                yield f"{entry.device} asked about {asked} and got {shown}"


def _conversations(shown: object) -> set[ConversationId]:
    match shown:
        case Snapshot() | SyncPage():
            return {item.id for item in shown.conversations if isinstance(item, Conversation)}
        case Conversations():
            return {item.id for item in shown.items}
        case Opened():
            return {shown.conversation.id}
        case History():
            return {event.conversation for event in shown.events}
        case Conversation():
            return {shown.id}
        case Welcome():
            return set()
        case _:
            id = getattr(shown, "conversation", None)
            return {id} if id else set()


def all_converge(index: Index) -> Iterator[str]:
    """(13) When all has been well for a while, every device is there and has everything, without having reconnected."""
    final = index.record.final
    unpromised = _unpromised(index)
    for copy in index.record.copies:
        if not copy.online:
            yield f"{copy.device} is not connected"
            continue
        for id, log in final.logs.items():
            if copy.user not in final.members[id] or id in unpromised:
                continue
            folder = final.folders.get((id, copy.user))
            if folder == "declined" or (folder == "requests" and id not in copy.logs):
                # What was declined is not told any more, and a new client lists requests when it is asked to.
                continue
            base, events = copy.logs.get(id, (0, []))
            if list(events) != list(log[base:]):
                yield f"{copy.device} has {base}+{len(events)} of {len(log)} in {id}"
            read_c = final.members[id][copy.user][1]
            if copy.reads.get(id, 0) != read_c:
                yield f"{copy.device} has read {copy.reads.get(id, 0)} of {id}, the database says {read_c}"
            draft = final.drafts.get((id, copy.user))
            if copy.drafts.get(id) != draft:
                yield f"{copy.device} has the draft {copy.drafts.get(id)} in {id}, the database says {draft}"


def _unpromised(index: Index) -> set[ConversationId]:
    """Groups whose creation nobody had acknowledged and where nothing was said: the next sync shows them."""
    final = index.record.final
    acknowledged = {
        entry.result.conversation.id
        for entry in index.record.entries
        if isinstance(entry, Answered) and isinstance(entry.result, Opened)
    }
    return {id for id in final.creations.values() if id not in acknowledged and final.heads[id] == 1}
