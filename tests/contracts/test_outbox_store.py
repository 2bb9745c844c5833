"""The contract of `OutboxStore`, on both stores."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Protocol

import asyncpg
import pytest

from persistence.faults import UnavailableError
from persistence.outbox.contract import (
    DUE_AT_ONCE,
    DUE_MS,
    MOST_EVENTS,
    MOST_MESSAGES,
    DeadLetter,
    Lag,
    Message,
    OutboxStore,
)
from persistence.outbox.memory import MemoryOutbox
from persistence.outbox.postgres import PostgresOutbox
from persistence.pool import open_pool
from protocol.ids import EPOCH, Millis

LAST = 2**62
DAY_MS = 86_400_000

_numbers = itertools.count(1)


class OutboxGround(Protocol):
    """A store, and time that can pass for it."""

    store: OutboxStore

    async def pass_ms(self, ms: int) -> None: ...


class MemoryOutboxGround:
    def __init__(self) -> None:
        self._now = Millis(EPOCH + 1_000_000)
        self.store: OutboxStore = MemoryOutbox(lambda: self._now)

    async def pass_ms(self, ms: int) -> None:
        self._now = Millis(self._now + ms)


class PostgresOutboxGround:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.store: OutboxStore = PostgresOutbox(pool)

    async def pass_ms(self, ms: int) -> None:
        earlier = "- $1 * interval '1 ms'"
        await self._pool.execute(f"update outbox set at = at {earlier}", ms)
        await self._pool.execute(f"update outbox_message set since = since {earlier}, due_at = due_at {earlier}", ms)


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[OutboxGround]:
    if url is None:
        yield MemoryOutboxGround()
        return
    async with open_pool(url, 4) as pool:
        yield PostgresOutboxGround(pool)


@pytest.fixture
def store(ground: OutboxGround) -> OutboxStore:
    return ground.store


@pytest.fixture
async def topic(store: OutboxStore) -> str:
    """A topic of this test's own, which the consumer of that name and `reader` reads."""
    name = f"topic {next(_numbers)}"
    await store.register({reader(name): name})
    return name


def reader(topic: str) -> str:
    return f"reader of {topic}"


def bodies(message: Message) -> list[bytes]:
    return [event.body for event in message.events]


async def test_of_several_topics_those_have_something_to_pack_whose_events_are_not_packed(
    store: OutboxStore, topic: str
) -> None:
    others = [f"{topic}, {word}" for word in ("empty", "unread")]
    asked = [*others, topic]
    assert await store.waiting(asked) == []
    for one in (topic, others[1]):
        await store.add(one, [b"x"])
    assert await store.waiting(asked) == [others[1], topic]
    await store.pack(topic)
    assert await store.waiting(asked) == [others[1]]


async def packed(store: OutboxStore, topic: str, *what: bytes) -> Message:
    """One message of these events for the only consumer."""
    await store.add(topic, what)
    (message,) = await store.pack(topic)
    return message


async def lag_of(store: OutboxStore, topic: str) -> Lag:
    (lag,) = [lag for lag in await store.lag(1_000) if lag.topic == topic]
    return lag


async def bury(store: OutboxStore, message: Message, attempts: int = 1) -> None:
    """All its events are dead."""
    letters = [DeadLetter(message.consumer, event, "cannot be read", attempts) for event in message.events]
    await store.done(message, letters)


async def test_events_are_packed_in_their_order_as_one_message_and_only_once(store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a", b"b", b"c")
    assert message.consumer == reader(topic)
    assert bodies(message) == [b"a", b"b", b"c"]
    ids = [event.id for event in message.events]
    assert ids == sorted(set(ids))
    assert message.events[0].at > EPOCH
    assert await store.pack(topic) == []


async def test_what_is_too_much_for_one_message_comes_with_the_next(store: OutboxStore, topic: str) -> None:
    await store.add(topic, [b"%d" % number for number in range(MOST_EVENTS + 1)])
    (first,) = await store.pack(topic)
    (second,) = await store.pack(topic)
    assert (len(first.events), bodies(second)) == (MOST_EVENTS, [b"%d" % MOST_EVENTS])
    assert first.id != second.id


async def test_each_consumer_of_a_topic_gets_every_event(store: OutboxStore, topic: str) -> None:
    await store.register({"another": topic})
    await store.add(topic, [b"a"])
    messages = await store.pack(topic)
    assert {message.consumer for message in messages} == {reader(topic), "another"}
    assert [bodies(message) for message in messages] == [[b"a"], [b"a"]]
    await store.done(messages[0], [])
    assert await store.hold(messages[1]) == 1


async def test_registering_again_changes_nothing_and_a_consumer_can_go_to_another_topic(
    store: OutboxStore, topic: str
) -> None:
    await store.register({reader(topic): topic})
    elsewhere = f"beside {topic}"
    await store.register({reader(topic): elsewhere})
    await store.add(topic, [b"for nobody"])
    assert await store.pack(topic) == []
    assert bodies(await packed(store, elsewhere, b"a")) == [b"a"]


async def test_of_several_who_pack_at_once_each_gets_other_events(store: OutboxStore, topic: str) -> None:
    everything = [b"%d" % number for number in range(3 * MOST_EVENTS)]
    await store.add(topic, everything)
    found: list[bytes] = []
    while len(found) < len(everything):
        several = await asyncio.gather(*(store.pack(topic) for _ in range(3)))
        found += [body for messages in several for message in messages for body in bodies(message)]
    assert sorted(found) == sorted(everything)


async def test_nothing_is_packed_while_a_consumer_has_enough_to_do(store: OutboxStore, topic: str) -> None:
    messages = [await packed(store, topic, b"a") for _ in range(MOST_MESSAGES)]
    await store.add(topic, [b"b"])
    assert await store.pack(topic) == []
    await store.done(messages[0], [])
    assert [bodies(message) for message in await store.pack(topic)] == [[b"b"]]


async def test_a_message_that_is_not_done_in_time_is_due_once_until_it_is_due_again(
    ground: OutboxGround, store: OutboxStore, topic: str
) -> None:
    message = await packed(store, topic, b"a", b"b")
    assert await store.due([reader(topic)]) == []
    for _ in range(2):
        await ground.pass_ms(DUE_MS)
        assert await store.due(["somebody else"]) == []
        assert await store.due([reader(topic)]) == [message]
        assert await store.due([reader(topic)]) == []


async def test_of_many_that_are_due_a_few_are_found_at_once(
    ground: OutboxGround, store: OutboxStore, topic: str
) -> None:
    messages = [await packed(store, topic, b"%d" % number) for number in range(DUE_AT_ONCE + 1)]
    await ground.pass_ms(DUE_MS)
    first, second = await store.due([reader(topic)]), await store.due([reader(topic)])
    assert (len(first), len(second)) == (DUE_AT_ONCE, 1)
    assert {message.id for message in [*first, *second]} == {message.id for message in messages}


async def test_what_is_held_is_due_later(ground: OutboxGround, store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a")
    await ground.pass_ms(DUE_MS)
    assert await store.hold(message) == 1
    assert await store.due([reader(topic)]) == []
    assert await store.hold(message) == 2


async def test_what_is_done_is_neither_due_nor_held(ground: OutboxGround, store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a")
    await store.done(message, [])
    await store.done(message, [])
    await ground.pass_ms(DUE_MS)
    assert await store.due([reader(topic)]) == []
    assert await store.hold(message) == 0


async def test_lag_tells_what_waits_and_since_when(ground: OutboxGround, store: OutboxStore, topic: str) -> None:
    assert await lag_of(store, topic) == Lag(topic, reader(topic), 0, 0, 0, 0)
    message = await packed(store, topic, b"a", b"b")
    await ground.pass_ms(60_000)
    await store.add(topic, [b"c"])
    lag = await lag_of(store, topic)
    assert (lag.waiting, lag.under_way, lag.oldest_ms // 10_000) == (1, 2, 6)
    await store.done(message, [])
    lag = await lag_of(store, topic)
    assert (lag.waiting, lag.under_way, lag.oldest_ms // 10_000) == (1, 0, 0)


async def test_counts_of_what_waits_and_of_the_dead_stop_where_they_are_told_to(store: OutboxStore, topic: str) -> None:
    await bury(store, await packed(store, topic, b"a", b"b", b"c"))
    await store.add(topic, [b"d", b"e", b"f"])
    (lag,) = [lag for lag in await store.lag(2) if lag.topic == topic]
    assert (lag.waiting, lag.dead) == (2, 2)


async def test_events_that_nobody_reads_are_dropped_when_they_are_old(
    ground: OutboxGround, store: OutboxStore, topic: str
) -> None:
    unread = f"nobody reads {topic}"
    await store.add(topic, [b"kept"])
    await store.add(unread, [b"a", b"b"])
    await ground.pass_ms(DAY_MS + 1)
    await store.add(unread, [b"c"])
    assert await store.forget(DAY_MS) >= 2
    assert await store.forget(DAY_MS) == 0
    await store.register({f"late {topic}": unread})
    assert [bodies(message) for message in await store.pack(unread)] == [[b"c"]]
    assert [bodies(message) for message in await store.pack(topic)] == [[b"kept"]]


async def test_dead_events_are_listed_the_latest_first_and_the_rest_of_their_message_is_done(
    store: OutboxStore, topic: str
) -> None:
    message = await packed(store, topic, b"good", b"bad", b"worse")
    _, bad, worse = message.events
    await store.done(message, [DeadLetter(reader(topic), event, "no number", 3) for event in (bad, worse)])
    first, second = await store.dead_letters(reader(topic), 10)
    assert (first.event, second.event) == (worse, bad)
    assert (first.consumer, first.error, first.attempts) == (reader(topic), "no number", 3)
    assert first.died_at >= bad.at
    assert await store.dead_letters(reader(topic), 1) == [first]
    assert first in await store.dead_letters(None, 1_000)
    assert await store.dead_letters("somebody else", 10) == []
    assert await store.hold(message) == 0
    assert (await lag_of(store, topic)).dead == 2


async def test_dead_events_are_replayed_under_their_own_ids_and_may_die_again(store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a", b"b", b"c")
    await bury(store, message, attempts=2)
    a, b, c = message.events
    assert await store.replay(reader(topic), a.id, b.id) == [b.id]
    (again,) = await store.due([reader(topic)])
    assert again.events == (b,)
    assert await store.hold(again) == 3
    await bury(store, again, attempts=3)
    assert [letter.attempts for letter in await store.dead_letters(reader(topic), 10) if letter.event == b] == [3]
    assert await store.replay(reader(topic), 0, LAST) == [a.id, b.id, c.id]
    assert await store.dead_letters(reader(topic), 10) == []
    assert await store.replay(reader(topic), 0, LAST) == []


async def test_an_event_that_dies_twice_is_one_dead_letter(store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a")
    await bury(store, message, attempts=1)
    await bury(store, message, attempts=2)
    assert [letter.attempts for letter in await store.dead_letters(reader(topic), 10)] == [2]


async def test_dead_events_can_be_given_up(store: OutboxStore, topic: str) -> None:
    message = await packed(store, topic, b"a", b"b")
    await bury(store, message)
    a, b = message.events
    assert await store.drop(reader(topic), 0, a.id) == [a.id]
    assert [letter.event for letter in await store.dead_letters(reader(topic), 10)] == [b]
    assert await store.due([reader(topic)]) == []


async def test_postgres_that_is_away_is_unavailable(database: str) -> None:
    async with open_pool(database, 1) as pool:
        store = PostgresOutbox(pool)
        pool.terminate()
        with pytest.raises(UnavailableError):
            await store.pack("any")
