"""The relay: packs what happened into messages and gives them to the stream, or, without one, to consumers here."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from persistence.faults import UnavailableError
from persistence.outbox.contract import Message, OutboxStore
from server.outage import Outage
from server.outbox.consumer import Consumer
from server.outbox.stream import Stream

POLL_S = 0.2
"""How often it looks while there is nothing: half of that is what an event waits on average."""
DUE_S = 1.0


class Relay:
    """Every node has one; each event is packed by whoever comes first. `published` counts events.

    When `hastened` is set it looks at once: for what is rare and waited for. Many events that wait together cost less.
    """

    def __init__(
        self,
        store: OutboxStore,
        consumers: Sequence[Consumer],
        stream: Stream,
        hastened: asyncio.Event,
    ) -> None:
        self.published = 0
        self._store = store
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._topics = sorted({consumer.topic for consumer in consumers})
        self._stream = stream
        self._looked = float("-inf")
        self._registered = False
        self._hastened = hastened
        self._outage = Outage("the outbox cannot be read")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._hastened.clear()
            try:
                busy = await self.round()
                self._outage.is_over()
            except UnavailableError as fault:
                self._outage.goes_on(fault)
                busy = False
            if not busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._hastened.wait()

    async def round(self) -> bool:
        """Send one message of each topic, and some that were lost. False when there were none. Raises
        `UnavailableError`."""
        if not self._registered:
            await self._store.register({consumer.name: consumer.topic for consumer in self._consumers.values()})
            self._registered = True
        messages = await self._due()
        for topic in await self._store.waiting(self._topics):
            messages += await self._store.pack(topic)
        for message in messages:
            await self._send(message)
        return bool(messages)

    async def _due(self) -> list[Message]:
        if time.monotonic() < self._looked + DUE_S:
            return []
        messages = await self._store.due(list(self._consumers))
        if not messages:
            self._looked = time.monotonic()
        return messages

    async def _send(self, message: Message) -> None:
        """What another release's consumer shall have waits until it is due there."""
        if await self._stream.publish(message):
            self.published += len(message.events)
        elif consumer := self._consumers.get(message.consumer):
            await consumer.take(message)
