"""This node's part in the outbox, put together: relay, stream, consumers, and what is seen of them."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from persistence.outbox.contract import OutboxStore
from server.observe import Metrics
from server.outbox.consumer import Consumer, Handler
from server.outbox.relay import Relay
from server.outbox.stream import Stream
from server.outbox.watch import Watch


class Outbox:
    """`handlers` are by the name of their consumer, each with the topic that it reads. Without any there is nothing to
    relay. `url` is that of NATS, `me` the node's incarnation. `hastened` is set when somebody waits for an event that
    was written here."""

    def __init__(
        self,
        store: OutboxStore,
        handlers: Mapping[str, tuple[str, Handler]],
        url: str,
        me: str,
        hastened: asyncio.Event,
    ) -> None:
        self.consumers = [Consumer(name, topic, handle, store) for name, (topic, handle) in handlers.items()]
        self.stream = Stream(url, me, self.consumers)
        self.relay = Relay(store, self.consumers, self.stream, hastened)
        self.watch = Watch(store)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run, each until cancelled."""
        relaying = [self.stream.run(), self.relay.run()] if self.consumers else []
        return [self.watch.run(), *relaying]

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        relay, watch = self.relay, self.watch
        metrics.gauges |= {
            "tidings_outbox_waiting": ("Events that a consumer has not handled", lambda: watch.waiting),
            "tidings_outbox_oldest_seconds": ("Age of the oldest of them", lambda: watch.oldest_s),
            "tidings_dead_letters": ("Events that no consumer can handle", lambda: watch.dead),
            "tidings_outbox_stream": ("Whether the stream carries events", lambda: self.stream.ready),
        }
        metrics.counters |= {
            "tidings_outbox_published": ("Events given to the stream", lambda: relay.published),
            "tidings_outbox_handled": (
                "Events that a consumer handled here",
                lambda: sum(c.handled for c in self.consumers),
            ),
        }
