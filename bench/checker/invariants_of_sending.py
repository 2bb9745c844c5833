"""Invariants 1, 2, 3, 5, 6: what was acknowledged is in the log, once, in its place and in order; and everybody is
answered."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import UNSET

from bench.checker.history import Answered, Decided, Kept, Said, Told, Unanswered
from bench.checker.index import Index, Send
from protocol.events import LogEvent, MessageSent
from protocol.ids import ConversationId, UserId
from protocol.replies import History, Opened
from protocol.requests import CreateConversation

NOWHERE = ConversationId("")


def acked_sends_are_in_the_log(index: Index) -> Iterator[str]:
    """(1) Every ok is in the final log, at that c, with that text; what was finally refused is not.

    But for what a block forbade: it may be taken back before an attempt that was under way arrives.
    """
    logs = index.record.final.logs
    for (id, user, cid), answers in index.sent.items():
        for answer in answers:
            c = answer.result.c
            event = logs[id][c - 1] if 0 < c <= len(logs.get(id, ())) else None
            if not isinstance(event, MessageSent) or (event.sender, event.cid) != (user, cid):
                yield f"{answer.device} had {cid} acknowledged at {id} c={c}; there stands {event}"
            elif (event.text, event.at) != (answer.request.text, answer.result.at):
                yield f"{answer.device} had {cid} acknowledged at {id} c={c} with other content: {event}"
    for (id, user, cid), answers in index.refused.items():
        for answer in answers if len(index.sends[id, user, cid]) == 1 else _unblocked(answers):
            for c in index.places.get((id, user, cid), ()):
                event = logs[id][c - 1]
                if isinstance(event, MessageSent) and event.text == answer.request.text:
                    yield f"{answer.device} had {cid} refused ({answer.result.code}); it stands at {id} c={c}"


def _unblocked(answers: Sequence[Answered]) -> Sequence[Answered]:
    return [answer for answer in answers if answer.result.code != "forbidden"]


def what_is_refused_was_wrong(index: Index) -> Iterator[str]:
    """(6) No answer to a message that stands in the log is refused for good, by a member who mentions nobody."""
    for (id, user, cid), answers in index.refused.items():
        for answer in answers:
            send = answer.request
            if answer.result.code != "bad_request" or send.reply_to is UNSET or send.mentions is not UNSET:
                continue
            if user in index.record.final.members.get(id, {}) and send.reply_to <= index.acked_before(
                id, answer.asked_at
            ):
                yield f"{answer.device} had {cid} refused in {id}: {answer.result.message}; c={send.reply_to} was there"


def one_c_per_cid(index: Index) -> Iterator[str]:
    """(2) A cid stands once in a log, every answer names that place, and only one of them says it was the first."""
    for (id, _, cid), places in index.places.items():
        if len(places) > 1:
            yield f"{cid} stands in {id} at {places}"
    for (id, _, cid), answers in index.sent.items():
        if len({(answer.result.c, answer.result.at) for answer in answers}) > 1:
            yield f"{cid} in {id} was acknowledged at {[answer.result.c for answer in answers]}"
        if sum(not answer.result.dup for answer in answers) > 1:
            yield f"{cid} in {id} was acknowledged twice as new"
    created: dict[tuple[UserId, str], set[ConversationId]] = defaultdict(set)
    for answer in index.record.entries:
        match answer:
            case Answered(request=CreateConversation(), result=Opened()):
                of = index.record.users[answer.device], answer.request.cid
                created[of] |= {answer.result.conversation.id, index.record.final.creations.get(of, NOWHERE)}
            case _:
                pass
    for (_, cid), ids in created.items():
        if len(ids) > 1:
            yield f"{cid} created {sorted(ids)}"


def logs_are_whole(index: Index) -> Iterator[str]:
    """(3) c = 1 … n up to the head, and whoever is told of a place is told what stands there."""
    final = index.record.final
    for id, log in final.logs.items():
        if [event.c for event in log] != list(range(1, final.heads[id] + 1)):
            yield f"{id} has head {final.heads[id]} and places {[event.c for event in log]}"
    for entry in index.record.entries:
        match entry:
            case Told(event=LogEvent()) | Kept():
                events = [entry.event]
            case Answered(result=History()):
                events = entry.result.events
            case _:
                continue
        for event in events:
            log = final.logs[event.conversation]
            if event.c > len(log) or log[event.c - 1] != event:
                stands = log[event.c - 1] if event.c <= len(log) else None
                yield f"{entry.device} got {event} where {stands} stands"


def acked_before_sent_is_lower(index: Index) -> Iterator[str]:
    """(5) Acknowledged before another one was first sent: lower in the log."""
    for (id, user, cid), attempts in index.sends.items():
        known = index.acked_before(id, attempts[0].at)
        for c in index.places.get((id, user, cid), ()):
            if c <= known:
                yield f"{cid} stands in {id} at {c}, though {known} had been acknowledged before it was sent"


def own_order_is_kept(index: Index) -> Iterator[str]:
    """(6) What a device that minds its order has sent stands in the log in that order."""
    styles = index.record.ordered
    last: dict[tuple[str, ConversationId], tuple[int, str]] = {}
    for (id, user, cid), attempts in index.sends.items():
        device = attempts[0].device
        if device not in styles:
            continue
        for c in index.places.get((id, user, cid), ()):
            before, earlier = last.get((device, id), (0, ""))
            if c <= before:
                yield f"{device} sent {earlier} before {cid}; in {id} they stand at {before} and {c}"
            last[device, id] = c, cid


def applications_are_told_the_truth(index: Index) -> Iterator[str]:
    """(1, 6) What an SDK says has become of a send is so, and what it was given stands in the order given."""
    heard: set[Send] = set()
    last: dict[tuple[str, ConversationId], tuple[int, str]] = {}
    for entry in index.record.entries:
        if not isinstance(entry, Said | Decided):
            continue
        id, _, cid = send = entry.conversation, index.record.users[entry.device], entry.cid
        places = index.places.get(send, [])
        if isinstance(entry, Decided):
            if entry.c is not None and entry.c not in places:
                yield f"{entry.device} was told that {cid} stands in {id} at {entry.c}; it stands at {places}"
            continue
        before, earlier = last.get((entry.device, id), (0, ""))
        if send not in heard and places:
            if places[0] <= before:
                yield f"{entry.device} said {earlier} before {cid}; in {id} they stand at {before} and {places[0]}"
            last[entry.device, id] = places[0], cid
        heard.add(send)


def whoever_asks_is_answered(index: Index) -> Iterator[str]:
    """Nobody waits in vain on a connection that lives."""
    for entry in index.record.entries:
        if isinstance(entry, Unanswered):
            yield f"{entry.device} #{entry.connection} had no answer to {entry.request} by {entry.at:.3f}"
    for copy in index.record.copies:
        if copy.unacked:
            yield f"{copy.device} still waits for {sorted(copy.unacked)}"


def nothing_breaks(index: Index) -> Iterator[str]:
    """No callback and no unwatched task ends in an exception."""
    yield from index.record.broken
