"""What is kept of events on their way to consumers. One suite judges both twins.

    the cause's own statement ─► outbox ─► pack ─► message of one consumer ─► done ─► nothing left, or dead letters
                                                         ▲      │
                                                         └──────┘ not done in time: due

An event reaches each consumer at least once, in no certain order: a consumer knows a repeat, and what is older, by the
event's id. Of two events of one edge the later has the larger id.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from protocol.ids import Millis

MOST_EVENTS = 400
"""Events in one message: with bodies of 2 KiB each, the most that Postgres takes, it stays below the 1 MB of NATS."""
MOST_MESSAGES = 64
"""Messages of one consumer under way at once. What comes on top waits unpacked, so that nothing that carries messages
has to hold much."""
DUE_MS = 15_000
"""How long after it was packed, found due, or held, a message counts as lost."""
DUE_AT_ONCE = 4
"""Messages that one call finds due."""


class Event(Struct, frozen=True, gc=False, array_like=True):
    """Something that happened at `at`. `id` is its own for ever; `body` is what its topic says it is."""

    id: int
    at: Millis
    body: bytes


class Message(Struct, frozen=True, array_like=True):
    """Events of one topic in the order of their ids, for one consumer. `id` is known to no other store."""

    consumer: str
    id: int
    events: tuple[Event, ...]


class DeadLetter(Struct, frozen=True, gc=False):
    """An event that its consumer could not handle, why, after how many attempts, and when that was known."""

    consumer: str
    event: Event
    error: str
    attempts: int
    died_at: Millis = Millis(0)


class Lag(Struct, frozen=True, gc=False):
    """How far a consumer is behind: events that are not yet packed, and packed but not handled, and the age of the
    oldest of both. Counts stop at what was asked for."""

    topic: str
    consumer: str
    waiting: int
    under_way: int
    oldest_ms: int
    dead: int


class OutboxStore(Protocol):
    """Every method raises `UnavailableError`, and may be called again then."""

    async def register(self, consumers: Mapping[str, str]) -> None:
        """These consumers, by name, read that topic each; from now on every event is kept until each has handled it."""

    async def add(self, topic: str, bodies: Sequence[bytes]) -> None:
        """Events without a cause in the store. Whatever has one writes them in its own statement."""

    async def waiting(self, topics: Sequence[str]) -> list[str]:
        """Those of these topics that have events to be packed."""

    async def pack(self, topic: str) -> list[Message]:
        """The oldest events of the topic, at most MOST_EVENTS, as a message for each consumer, due after a while.

        None while one of them has MOST_MESSAGES under way, and for a topic without consumers. Of several who pack at
        once each gets other events, or none.
        """

    async def due(self, consumers: Sequence[str]) -> list[Message]:
        """A few messages that were not done in time, due again after as long. Nobody else gets them meanwhile."""

    async def hold(self, message: Message) -> int:
        """Somebody handles it now: it is due later. How often this has been said of it; 0 when it is done already."""

    async def done(self, message: Message, dead: Sequence[DeadLetter]) -> None:
        """Its consumer has handled all its events but the dead ones; saying so again changes nothing."""

    async def lag(self, most: int) -> list[Lag]:
        """Of each consumer; no count goes above `most`."""

    async def forget(self, older_ms: int) -> int:
        """Drop some of the events that are older and of topics that nobody reads. How many were dropped."""

    async def dead_letters(self, consumer: str | None, most: int) -> list[DeadLetter]:
        """Of that consumer or of all, the latest first."""

    async def replay(self, consumer: str, after: int, until: int) -> list[int]:
        """The consumer is to be given dead letters again: those with the least ids in (after, until], at most
        MOST_EVENTS. Their ids."""

    async def drop(self, consumer: str, after: int, until: int) -> list[int]:
        """The same dead letters are given up for good."""
