"""What a consumer makes of a handler that cannot, or is slow."""

import asyncio
from collections.abc import Sequence

import pytest

from persistence.outbox.contract import Event, Message
from server.outbox.consumer import PATIENCE, Consumer
from tests.server.outbox.rig import CONSUMER, TOPIC, Ground


async def packed(ground: Ground, *bodies: bytes) -> Message:
    await ground.add(*bodies)
    (message,) = await ground.store.pack(TOPIC)
    return message


class UnspeakableError(Exception):
    def __repr__(self) -> str:
        return "un\0speakable \ud800"


async def test_of_many_events_the_one_that_cannot_be_handled_is_found_in_few_steps(ground: Ground) -> None:
    asked = 0

    async def handle(events: Sequence[Event]) -> None:
        nonlocal asked
        asked += 1
        if any(event.body == b"bad" for event in events):
            raise UnspeakableError

    message = await packed(ground, *[b"good"] * 255, b"bad")
    consumer = Consumer(CONSUMER, TOPIC, handle, ground.store)
    assert await consumer.take(message)
    (letter,) = await ground.store.dead_letters(CONSUMER, 10)
    assert (letter.event, letter.error) == (message.events[-1], "unspeakable \\ud800")
    assert consumer.handled == 255
    assert asked == 1 + 2 * 8


async def test_a_handler_that_is_too_slow_for_a_message_gets_it_again_and_at_last_in_parts(ground: Ground) -> None:
    handled: list[bytes] = []

    async def handle(events: Sequence[Event]) -> None:
        if len(events) > 1:
            await asyncio.Event().wait()
        handled.extend(event.body for event in events)

    message = await packed(ground, b"a", b"b", b"c")
    consumer = Consumer(CONSUMER, TOPIC, handle, ground.store, within_s=0.01)
    assert [await consumer.take(message) for _ in range(PATIENCE + 1)] == [False] * PATIENCE + [True]
    assert handled == [b"a", b"b", b"c"]
    assert await ground.rest() == 0


@pytest.mark.parametrize("fault", [TimeoutError(), ConnectionRefusedError("no Redis")])
async def test_an_event_for_which_the_handler_could_not_reach_what_it_needs_never_dies(
    ground: Ground, fault: Exception
) -> None:
    async def handle(events: Sequence[Event]) -> None:
        raise fault

    message = await packed(ground, b"a")
    consumer = Consumer(CONSUMER, TOPIC, handle, ground.store)
    assert [await consumer.take(message) for _ in range(PATIENCE + 2)] == [False] * (PATIENCE + 2)
    assert await ground.store.dead_letters(CONSUMER, 10) == []
    assert await ground.rest() == 1


async def test_what_is_no_message_of_this_database_is_not_handled(ground: Ground) -> None:
    async def handle(events: Sequence[Event]) -> None:
        raise AssertionError

    message = await packed(ground, b"a")
    foreign = Message(CONSUMER, message.id + 1, message.events)
    assert await Consumer(CONSUMER, TOPIC, handle, ground.store).take(foreign)
    assert await ground.rest() == 1
