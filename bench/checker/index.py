"""A record, sorted for those who check it."""

from collections import defaultdict
from functools import cached_property

from bench.checker.history import Answered, Asked, Record
from protocol.errors import FINAL, Refusal
from protocol.ids import ConversationId, UserId
from protocol.replies import Sent
from protocol.requests import DeclineConversation, SendMessage

Send = tuple[ConversationId, UserId, str]
"""A send, whatever the number of attempts: conversation, sender, cid."""


class Index:
    """Sends by what became of them, and what is in the final log where."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.sends: dict[Send, list[Asked]] = defaultdict(list)
        self.sent: dict[Send, list[Answered]] = defaultdict(list)
        self.refused: dict[Send, list[Answered]] = defaultdict(list)
        for entry in record.entries:
            if isinstance(entry, Asked) and isinstance(entry.request, SendMessage):
                self.sends[self._send(entry)].append(entry)
            elif isinstance(entry, Answered) and isinstance(entry.request, SendMessage):
                if isinstance(entry.result, Sent):
                    self.sent[self._send(entry)].append(entry)
                elif isinstance(entry.result, Refusal) and entry.result.code in FINAL:
                    self.refused[self._send(entry)].append(entry)

    def _send(self, entry: Asked | Answered) -> Send:
        return entry.request.conversation, self.record.users[entry.device], entry.request.cid

    @cached_property
    def places(self) -> dict[Send, list[int]]:
        """Every c at which a cid stands in the final log."""
        places: dict[Send, list[int]] = defaultdict(list)
        for id, log in self.record.final.logs.items():
            for event in log:
                places[id, event.sender, event.cid].append(event.c)
        return places

    @cached_property
    def acked(self) -> dict[ConversationId, list[tuple[float, int]]]:
        """Per conversation, rising: from when on an acknowledged send shows that the head is at least so far."""
        answers = sorted(
            (answer.at, answer.request.conversation, answer.result.c)
            for answers in self.sent.values()
            for answer in answers
        )
        acked: dict[ConversationId, list[tuple[float, int]]] = defaultdict(list)
        for at, id, c in answers:
            if not acked[id] or acked[id][-1][1] < c:
                acked[id].append((at, c))
        return acked

    @cached_property
    def declined(self) -> set[tuple[ConversationId, UserId]]:
        """What somebody has tried to decline: for a while they may not have been told of it."""
        return {
            (entry.request.conversation, self.record.users[entry.device])
            for entry in self.record.entries
            if isinstance(entry, Asked) and isinstance(entry.request, DeclineConversation)
        }

    def acked_before(self, id: ConversationId, at: float) -> int:
        """The highest c that anybody had an acknowledgement for before `at`."""
        return max((c for since, c in self.acked.get(id, ()) if since < at), default=0)
