"""The outbox in memory."""

import itertools
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from persistence.outbox.contract import DUE_AT_ONCE, DUE_MS, MOST_EVENTS, MOST_MESSAGES, DeadLetter, Event, Lag, Message
from protocol.ids import Millis


class UnderWay(Struct):
    """A message that is not done."""

    message: Message
    due_at: int
    attempts: int = 0


class MemoryOutbox:
    """The `OutboxStore` of one process, by the clock that it is given."""

    def __init__(self, clock: Callable[[], Millis]) -> None:
        self._clock = clock
        self._events = itertools.count(1)
        self._messages = itertools.count(1)
        self._consumers: dict[str, str] = {}
        self._waiting: dict[str, list[Event]] = {}
        self._under_way: dict[tuple[str, int], UnderWay] = {}
        self._dead: dict[tuple[str, int], DeadLetter] = {}

    async def register(self, consumers: Mapping[str, str]) -> None:
        self._consumers |= consumers

    async def add(self, topic: str, bodies: Sequence[bytes]) -> None:
        now = self._clock()
        self._waiting.setdefault(topic, []).extend(Event(next(self._events), now, body) for body in bodies)

    async def waiting(self, topics: Sequence[str]) -> list[str]:
        return [topic for topic in topics if self._waiting.get(topic)]

    async def pack(self, topic: str) -> list[Message]:
        readers = [name for name, read in self._consumers.items() if read == topic]
        waiting = self._waiting.get(topic, [])
        if not readers or not waiting or any(len(self._of(name)) >= MOST_MESSAGES for name in readers):
            return []
        events = tuple(waiting[:MOST_EVENTS])
        del waiting[:MOST_EVENTS]
        return [self._send(name, events, self._clock() + DUE_MS) for name in readers]

    def _send(self, consumer: str, events: tuple[Event, ...], due_at: int, attempts: int = 0) -> Message:
        message = Message(consumer, next(self._messages), events)
        self._under_way[consumer, message.id] = UnderWay(message, due_at, attempts)
        return message

    def _of(self, consumer: str) -> list[UnderWay]:
        return [sent for (name, _), sent in self._under_way.items() if name == consumer]

    async def due(self, consumers: Sequence[str]) -> list[Message]:
        now = self._clock()
        late = [sent for (name, _), sent in sorted(self._under_way.items()) if name in consumers and sent.due_at <= now]
        for sent in late[:DUE_AT_ONCE]:
            sent.due_at = now + DUE_MS
        return [sent.message for sent in late[:DUE_AT_ONCE]]

    async def hold(self, message: Message) -> int:
        sent = self._under_way.get((message.consumer, message.id))
        if sent is None:
            return 0
        sent.due_at = self._clock() + DUE_MS
        sent.attempts += 1
        return sent.attempts

    async def done(self, message: Message, dead: Sequence[DeadLetter]) -> None:
        self._under_way.pop((message.consumer, message.id), None)
        for letter in dead:
            self._dead[letter.consumer, letter.event.id] = replace(letter, died_at=self._clock())

    async def lag(self, most: int) -> list[Lag]:
        return [self._lag(topic, name, most) for topic, name in sorted((t, n) for n, t in self._consumers.items())]

    def _lag(self, topic: str, consumer: str, most: int) -> Lag:
        waiting = self._waiting.get(topic, [])
        under_way = [event for sent in self._of(consumer) for event in sent.message.events]
        oldest = min((event.at for event in [*waiting[:1], *under_way]), default=self._clock())
        dead = sum(name == consumer for name, _ in self._dead)
        return Lag(topic, consumer, min(most, len(waiting)), len(under_way), self._clock() - oldest, min(most, dead))

    async def forget(self, older_ms: int) -> int:
        since, dropped = self._clock() - older_ms, 0
        for topic in self._waiting.keys() - self._consumers.values():
            oldest = self._waiting[topic][:MOST_EVENTS]
            kept = [event for event in oldest if event.at >= since]
            self._waiting[topic][:MOST_EVENTS] = kept
            dropped += len(oldest) - len(kept)
        return dropped

    async def dead_letters(self, consumer: str | None, most: int) -> list[DeadLetter]:
        found = [letter for (name, _), letter in self._dead.items() if consumer in (None, name)]
        return sorted(found, key=lambda letter: (letter.died_at, letter.event.id), reverse=True)[:most]

    async def replay(self, consumer: str, after: int, until: int) -> list[int]:
        letters = self._exhume(consumer, after, until)
        if letters:
            attempts = max(letter.attempts for letter in letters)
            self._send(consumer, tuple(letter.event for letter in letters), self._clock(), attempts)
        return [letter.event.id for letter in letters]

    async def drop(self, consumer: str, after: int, until: int) -> list[int]:
        return [letter.event.id for letter in self._exhume(consumer, after, until)]

    def _exhume(self, consumer: str, after: int, until: int) -> list[DeadLetter]:
        places = sorted(place for place in self._dead if place[0] == consumer and after < place[1] <= until)
        return [self._dead.pop(place) for place in places[:MOST_EVENTS]]
