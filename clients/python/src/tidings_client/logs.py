"""Puts each conversation's events in order, without a hole: the client rules of the wire contract §3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from .events import LogEvent, MemberChanged

ASIDE: Final = 1_000


class Need(Enum):
    """What the server must be asked for before a conversation can go on."""

    CONVERSATION = auto()
    HISTORY = auto()


@dataclass(slots=True)
class _Log:
    """`head` is None until the conversation was asked for; `known_c` is the highest place known to exist.

    `aside` keeps events above a gap, at most 1,000: those beyond are dropped, and history brings them again.
    """

    head: int | None
    known_c: int = 0
    behind: bool = False
    rejoined: bool = False
    aside: dict[int, LogEvent] = field(default_factory=dict)


class Logs:
    """The heads as received. Methods that take events return those that may be handed on now, in order."""

    def __init__(self, heads: Mapping[str, int]) -> None:
        self._logs = {conversation: _Log(head) for conversation, head in heads.items()}

    def __len__(self) -> int:
        return len(self._logs)

    def __contains__(self, conversation: str) -> bool:
        return conversation in self._logs

    def heads(self) -> dict[str, int]:
        """The last place handed on, per conversation."""
        return {conversation: log.head for conversation, log in self._logs.items() if log.head is not None}

    def head(self, conversation: str) -> int | None:
        """The place after which the conversation continues; None while that is unknown."""
        log = self._logs.get(conversation)
        return log.head if log else None

    def arrived(self, event: LogEvent, me: str) -> list[LogEvent]:
        """An event of the stream."""
        log = self._logs.get(event.conversation)
        if log is None:
            log = self._logs[event.conversation] = _Log(None)
        if log.head is not None and event.c <= log.head:
            return []
        rejoin = isinstance(event, MemberChanged) and event.change == "joined" and event.user == me
        if event.c - 1 == log.head and not rejoin:
            log.head = event.c
            return [event, *self._from_aside(log)] if log.aside else [event]
        log.rejoined = log.rejoined or rejoin
        log.known_c = max(log.known_c, event.c)
        if len(log.aside) < ASIDE:
            log.aside[event.c] = event
        return []

    def starts(self, conversation: str, head: int) -> bool:
        """Says where an unknown conversation starts. False if it is known, or being asked for: its head stays."""
        if conversation in self._logs:
            return False
        self._logs[conversation] = _Log(head)
        return True

    def joined(self, conversation: str, joined_c: int) -> tuple[int | None, list[LogEvent]]:
        """The answer to Need.CONVERSATION: nothing before my join is mine. Returns the head if this moved it, too."""
        log = self._logs[conversation]
        log.rejoined = False
        first = max(0, joined_c - 1)
        moved = log.head is None or first > log.head
        if moved:
            log.head = first
        return first if moved else None, self._from_aside(log)

    def page(self, conversation: str, events: Iterable[LogEvent], *, more: bool) -> list[LogEvent]:
        """A part of the log after the head, ascending. Places it leaves out are outside my membership."""
        log = self._logs[conversation]
        log.behind = more
        ready: list[LogEvent] = []
        for event in events:
            if log.head is not None and event.c > log.head:
                log.head = event.c
                ready.append(event)
        return ready + self._from_aside(log)

    def reopened(self, conversation: str) -> None:
        """I accepted it: what came while it was declined was not sent, and is asked for."""
        self._logs.setdefault(conversation, _Log(None)).behind = True

    def reaches(self, conversation: str, last_c: int) -> None:
        """The server says so while it begins a stream: what lies between the head and here it will not send by itself.

        Where the head is not known yet, it is not known either how much that is: whoever asks for it finds out.
        """
        log = self._logs[conversation]
        log.behind = log.behind or log.head is None or log.head < last_c

    def need(self, conversation: str) -> Need | None:
        """What the conversation waits for."""
        log = self._logs.get(conversation)
        if log is None:
            return None
        if log.head is None or log.rejoined:
            return Need.CONVERSATION
        return Need.HISTORY if log.behind or log.known_c > log.head else None

    def waiting(self) -> list[str]:
        """The conversations that need something."""
        return [conversation for conversation in self._logs if self.need(conversation) is not None]

    def forget(self, conversation: str) -> None:
        """The conversation is gone."""
        self._logs.pop(conversation, None)

    def _from_aside(self, log: _Log) -> list[LogEvent]:
        ready: list[LogEvent] = []
        head = log.head
        if log.aside and head is not None:
            while event := log.aside.pop(head + 1, None):
                head = event.c
                ready.append(event)
            log.head = head
            log.aside = {c: event for c, event in log.aside.items() if c > head}
        return ready
