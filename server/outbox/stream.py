"""The stream that carries messages of the outbox to whichever node is free. All it holds, Postgres can give again."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError

from persistence.outbox.contract import Message
from persistence.subjects import MESSAGES, STREAM, messages_for
from server.nats_connection import close, connect
from server.outbox.consumer import Consumer
from server.outbox.jetstream import ACK, TERM, Delivered, FullError, JetStream, StreamError, later

# One copy, also in a cluster of NATS servers: while its server is away, events go from Postgres. `max_bytes` is room
# for some hundred of the largest messages; what comes on top is refused, and goes from Postgres.
_STREAM = {
    "subjects": [MESSAGES],
    "retention": "workqueue",
    "storage": "file",
    "discard": "new",
    "max_bytes": 256 * 1024 * 1024,
    "max_age": 3_600_000_000_000,
    "num_replicas": 1,
}
ACK_WAIT_S = 10
# How often a message is delivered has no limit here: what cannot be handled is told from what cannot be handled now by
# the consumer, and the latter never dies.
_CONSUMER = {"ack_wait": ACK_WAIT_S * 1_000_000_000, "max_deliver": -1, "max_ack_pending": 1_000}
AGAIN_S, CALM_S = 0.5, 10.0
"""How long until the stream is looked for again: at first, and when it has been away for long."""
UNABLE_S = 1.0
"""After how long a message is delivered again whose consumer could not handle it."""
LEAVE_S = 0.5

log = structlog.get_logger()
_messages = msgspec.msgpack.Decoder(Message)
_encoder = msgspec.msgpack.Encoder()


class Stream:
    """The stream at `url`, for the node `me`; with an empty one there is none. `ready` tells whether there is."""

    def __init__(self, url: str, me: str, consumers: Sequence[Consumer]) -> None:
        self.ready = False
        self._url = url
        self._me = me
        self._consumers = consumers
        self._jetstream: JetStream | None = None
        self._broken = asyncio.Event()
        self._complaint = ""

    async def publish(self, message: Message) -> bool:
        """Whether the stream has stored it. If not, it may have all the same."""
        if not self.ready or self._jetstream is None:
            return False
        try:
            await self._jetstream.publish(messages_for(message.consumer), _encoder.encode(message))
        except FullError as fault:
            self._complain(fault)
            return False
        except (NatsError, StreamError, OSError, msgspec.DecodeError) as fault:
            self._complain(fault)
            self._broken.set()
            return False
        return True

    async def run(self) -> None:
        """Find the stream, or make it, as often as it takes, and hand out its messages until cancelled."""
        pause = AGAIN_S
        while self._url:
            try:
                client, gone = await connect(self._url, f"tidings outbox {self._me}", self._begin)
            except Exception as fault:
                self._complain(fault)
                await asyncio.sleep(pause)
                pause = min(CALM_S, pause * 2)
                continue
            pause = AGAIN_S
            try:
                await self._serve(gone)
            except Exception as fault:
                self._complain(fault)
            finally:
                self._jetstream = None
                await close(client)
            await asyncio.sleep(AGAIN_S)

    def _complain(self, fault: Exception) -> None:
        """Once for each state of things: a NATS that is away is away in one way for long."""
        text = str(fault) if isinstance(fault, StreamError) else repr(fault)
        if text != self._complaint:
            log.warning("events go without a stream", fault=text)
        self._complaint = text

    async def _begin(self, client: Client) -> None:
        jetstream = JetStream(client)
        await jetstream.open()
        await jetstream.ensure_stream(STREAM, _STREAM)
        for consumer in self._consumers:
            await jetstream.ensure_consumer(STREAM, consumer.name, messages_for(consumer.name), _CONSUMER)
        self._jetstream = jetstream

    async def _serve(self, gone: asyncio.Event) -> None:
        """Until the stream or the connection is lost."""
        assert self._jetstream is not None
        self._broken.clear()
        self.ready = True
        if self._complaint:
            log.info("events go over the stream")
        self._complaint = ""
        hands = [self._hand_out(self._jetstream, consumer) for consumer in self._consumers]
        # No TaskGroup: of a fault and a cancellation that come together it would raise the fault alone.
        tasks = [asyncio.ensure_future(work) for work in (*hands, _end(gone), _end(self._broken))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.ready = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _hand_out(self, jetstream: JetStream, consumer: Consumer) -> None:
        while True:
            delivered = await jetstream.next(STREAM, consumer.name)
            if delivered:
                await self._hand(jetstream, consumer, delivered)

    async def _hand(self, jetstream: JetStream, consumer: Consumer, delivered: Delivered) -> None:
        try:
            message = _messages.decode(delivered.body)
        except msgspec.DecodeError as fault:
            log.error("no message of the outbox", consumer=consumer.name, fault=str(fault))
            await jetstream.say(delivered, TERM)
            return
        try:
            word = ACK if await consumer.take(message) else later(UNABLE_S)
        except BaseException:
            # This node ends: another one shall not have to wait until the time for an ack is over.
            async with asyncio.timeout(LEAVE_S):
                await jetstream.say(delivered, later(0))
            raise
        await jetstream.say(delivered, word)


async def _end(event: asyncio.Event) -> None:
    await event.wait()
    raise ConnectionClosedError
