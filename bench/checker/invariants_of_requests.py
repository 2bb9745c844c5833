"""Invariants 14, 15: before accept nothing is told of a member, after a decline nothing to them; a block cuts."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf

from msgspec import UNSET

from bench.checker.history import Answered, Parted, Told
from bench.checker.index import Index
from protocol.conversations import Conversation, Member
from protocol.events import LogEvent, ReceiptMoved
from protocol.ids import ConversationId, UserId
from protocol.live import Typing
from protocol.replies import Done, Marks, Receipts, Sent
from protocol.requests import DeclineConversation


def nothing_is_told_before_accept(index: Index) -> Iterator[str]:
    """(14) Nobody hears or sees marks or typing of who has not accepted, and nobody types to them.

    What is no accepted conversation in the end never was one: nothing leads back from the inbox.
    """
    folders = index.record.final.folders
    for entry in index.record.entries:
        if not isinstance(entry, Told | Answered):
            continue
        me = index.record.users[entry.device]
        shown = entry.event if isinstance(entry, Told) else entry.result
        if isinstance(shown, Typing) and {(shown.conversation, me), (shown.conversation, shown.user)} & folders.keys():
            yield f"{entry.device} is told {shown} before accept"
        for id, user in _seen_marks(entry, shown):
            if user != me and (id, user) in folders:
                yield f"{entry.device} is shown marks of {user} in {id} before accept: {shown}"


def _seen_marks(entry: Told | Answered, shown: object) -> Iterator[tuple[ConversationId, UserId]]:
    members: Sequence[Member | Marks]
    match shown:
        case ReceiptMoved():
            yield shown.conversation, shown.user
            return
        case Receipts() if isinstance(entry, Answered):
            members, id = shown.members, entry.request.conversation
        case Conversation():
            members, id = shown.members, shown.id
        case _:
            return
    for member in members:
        if member.delivered_c is not UNSET or member.read_c is not UNSET:
            yield id, member.user


def nothing_is_told_after_a_decline(index: Index) -> Iterator[str]:
    """(14) What was said after a decline was acknowledged does not reach that member live, if they never took it back.

    What is declined in the end was declined from then on: only a request can be.
    """
    declined: dict[tuple[ConversationId, UserId], float] = {}
    for entry in index.record.entries:
        user = index.record.users[entry.device] if isinstance(entry, Answered | Told) else UserId("")
        match entry:
            case Answered(request=DeclineConversation() as request, result=Done()):
                if index.record.final.folders.get((request.conversation, user)) == "declined":
                    declined.setdefault((request.conversation, user), entry.at)
            case Told(event=LogEvent() as event):
                since = declined.get((event.conversation, user), inf)
                asked = index.sends.get((event.conversation, event.sender, event.cid))
                if asked and asked[0].at > since:
                    yield f"{entry.device} is told {event} after it was declined at {since:.3f}"
            case _:
                pass


def a_block_ends_what_two_can_say(index: Index) -> Iterator[str]:
    """(15) What was first asked for while one of the two blocks the other, from then to the answer, was not sent."""
    parted: dict[tuple[UserId, UserId], list[Parted]] = defaultdict(list)
    for entry in index.record.entries:
        if isinstance(entry, Parted):
            parted[entry.pair].append(entry)
    for (id, user, cid), answers in index.sent.items():
        if (pair := index.record.final.pairs.get(id)) is None:
            continue
        first, answer = index.sends[id, user, cid][0].at, answers[0]
        before = [one for one in parted[pair] if one.at < first]
        between = [one for one in parted[pair] if first <= one.at <= answer.at]
        if before and not before[-1].ends and not between and isinstance(answer.result, Sent):
            yield f"{user} sent {cid} in {id} at {first:.3f}, though {pair} were parted at {before[-1].at:.3f}"
