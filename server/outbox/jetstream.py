"""JetStream by its API of requests and replies (docs.nats.io, "JetStream wire API reference"), over one connection.

Not by its library's own: what that waits for it waits for in a way that may lose a cancellation.
"""

import asyncio
import itertools
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

Config: TypeAlias = Mapping[str, object]

ASK_S = 2.0
NEXT_S = 5.0
"""How long a question for the next message waits at the server, so that its silence is noticed soon after."""

ACK, TERM = b"+ACK", b"+TERM"

_STATUS, _DESCRIPTION = "Status", "Description"
_NO_RESPONDERS, _NOTHING = "503", ("404", "408")
_OTHER_CONFIGURATION = 10058


class StreamError(Exception):
    """JetStream refuses, or is not there; the text says what to do."""


class FullError(StreamError):
    """The stream is there and does not store: it is full, mostly."""


class Delivered(Struct, frozen=True):
    """A message, and where to say what became of it."""

    body: bytes
    reply: str


class _Error(Struct):
    err_code: int = 0
    description: str = ""


class _Answer(Struct):
    error: _Error | None = None


_answers = msgspec.json.Decoder(_Answer)


class JetStream:
    """Of a connection that has just begun, as which it has to be `open`ed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = client.new_inbox()
        self._numbers = itertools.count(1)
        self._asked: dict[str, asyncio.Future[Msg]] = {}
        self._delivered: dict[str, asyncio.Queue[Msg]] = {}

    async def open(self) -> None:
        """Listen for answers."""
        await self._client.subscribe(f"{self._inbox}.answer.*", cb=self._answered)

    async def ensure_stream(self, name: str, config: Config) -> None:
        """It exists, like this. Raises StreamError, TimeoutError."""
        config = {**config, "name": name}
        if (error := await self._api(f"STREAM.CREATE.{name}", config)) and error.err_code == _OTHER_CONFIGURATION:
            error = await self._api(f"STREAM.UPDATE.{name}", config)
        if error:
            raise StreamError(f"NATS refuses the stream {name}: {error.description}")

    async def ensure_consumer(self, stream: str, name: str, subject: str, config: Config) -> None:
        """It exists, like this, durable and asking for acks; its messages are for `next`."""
        own = {"durable_name": name, "name": name, "filter_subject": subject, "ack_policy": "explicit"}
        request = {"stream_name": stream, "config": {**config, **own}}
        if error := await self._api(f"CONSUMER.CREATE.{stream}.{name}.{subject}", request):
            raise StreamError(f"NATS refuses the consumer {name}: {error.description}")
        self._delivered[name] = asyncio.Queue()
        await self._client.subscribe(f"{self._inbox}.next.{name}", cb=self._delivered[name].put)

    async def publish(self, subject: str, body: bytes) -> None:
        """Return when it is stored. Raises FullError, or StreamError, TimeoutError: then it may be stored, or not."""
        message = await self._ask(subject, body)
        if _status(message):
            raise StreamError(f"the stream is gone: {_described(message)}")
        if error := _error(message):
            raise FullError(f"NATS does not store what is published: {error.description}")

    async def next(self, stream: str, consumer: str) -> Delivered | None:
        """One message, or None when there was none for a while. Raises StreamError, TimeoutError.

        Of each consumer only one at a time may be asked for.
        """
        request = b'{"batch":1,"expires":%d}' % (NEXT_S * 1e9)
        reply = f"{self._inbox}.next.{consumer}"
        await self._client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", request, reply=reply)
        async with asyncio.timeout(NEXT_S + ASK_S):
            message = await self._delivered[consumer].get()
        status = (message.headers or {}).get(_STATUS)
        if status in _NOTHING:
            return None
        if status:
            raise StreamError(f"the consumer {consumer} is gone: {_described(message)}")
        return Delivered(message.data, message.reply)

    async def say(self, delivered: Delivered, word: bytes) -> None:
        """What became of it: `ACK`, `TERM` or what `later` gives."""
        await self._client.publish(delivered.reply, word)

    async def _api(self, subject: str, request: Mapping[str, object]) -> _Error | None:
        message = await self._ask(f"$JS.API.{subject}", msgspec.json.encode(request))
        if _status(message) == _NO_RESPONDERS:
            raise StreamError(
                "NATS has no JetStream: start it with -js, or with a jetstream section in its configuration; "
                "until then events go to their consumers from Postgres"
            )
        if _status(message):
            raise StreamError(f"JetStream does not answer: {_described(message)}")
        return _error(message)

    async def _ask(self, subject: str, body: bytes) -> Msg:
        reply = f"{self._inbox}.answer.{next(self._numbers)}"
        asked: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._asked[reply] = asked
        try:
            await self._client.publish(subject, body, reply=reply)
            async with asyncio.timeout(ASK_S):
                return await asked
        finally:
            del self._asked[reply]

    async def _answered(self, message: Msg) -> None:
        asked = self._asked.get(message.subject)
        if asked and not asked.done():
            asked.set_result(message)


def later(s: float) -> bytes:
    """Deliver it again, after that many seconds."""
    return b'-NAK {"delay":%d}' % (s * 1e9)


def _status(message: Msg) -> str | None:
    return (message.headers or {}).get(_STATUS)


def _described(message: Msg) -> str:
    return (message.headers or {}).get(_DESCRIPTION) or _status(message) or ""


def _error(message: Msg) -> _Error | None:
    return _answers.decode(message.data).error
