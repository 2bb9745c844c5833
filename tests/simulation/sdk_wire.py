"""The edge of an SDK device: what its session writes and reads goes through the codecs of both sides, and is logged."""

import asyncio
from collections.abc import Callable
from typing import Any

from actors.stream import Numbered
from bench.checker.history import Answered, Asked, Entry, Told, Unanswered, Welcomed
from bench.devices.device import REPLY_WITHIN_S
from protocol import codec as server
from protocol.codec import Unreadable
from protocol.errors import Refusal
from protocol.replies import Conversations, ErrReply, OkReply, Welcome
from protocol.requests import Ack, Hello, ListConversations, Type
from tests.simulation.network import Connection
from tidings_client import codec as client

SPELLINGS = (server.MSGPACK, client.MSGPACK), (server.JSON, client.JSON)
"""Both ends of a connection with the same subprotocol."""


class Wire:
    """One connection of an SDK device. Its simulated network carries structs: they are spelled out where it ends."""

    def __init__(
        self,
        connection: Connection,
        spelling: tuple[server.Codec, client.Codec],
        device: str,
        log: Callable[[Entry], None],
    ) -> None:
        self.connection = connection
        self.unread = 0
        self._server, self._client = spelling
        self._device = device
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, tuple[Any, float, asyncio.TimerHandle]] = {}

    def write(self, message: dict[str, Any]) -> None:
        """A message of the session's; one that the server could not read is a bug, and does not leave."""
        frame = self._client.encode(message)
        request = self._server.read(frame.encode() if isinstance(frame, str) else frame)
        if isinstance(request, Unreadable):
            self._loop.call_exception_handler({"message": f"the server cannot read {message}: {request.refusal}"})
            return
        now = self._loop.time()
        self._log(Asked(now, self._device, self.connection.number, request))
        if not isinstance(request, Ack | Type):
            timer = self._loop.call_later(REPLY_WITHIN_S, self._miss, request.id)
            self._asked[request.id] = request, now, timer
        self.connection.up.write(request)

    def read(self, message: Any) -> tuple[dict[str, Any], bool]:
        """What the session gets for a message of the server; and whether that goes on with a list of conversations."""
        codec, listed = self._server, False
        match message:
            case (id, result):
                listed = self._replied(id, result)
                frame = codec.encode(ErrReply(id, result) if isinstance(result, Refusal) else OkReply(id, result))
            case Numbered():
                self._told(message.u, message.encoded.event)
                frame = message.encoded.numbered(codec, message.u)
            case _:
                self._told(None, message.event)
                frame = message.live(codec)
        return self._client.decode(frame if codec.binary else frame.decode()), listed

    def ended(self) -> None:
        for _, _, timer in self._asked.values():
            timer.cancel()

    def _told(self, u: int | None, event: Any) -> None:
        self._log(Told(self._loop.time(), self._device, self.connection.number, u, event))

    def _replied(self, id: int, result: Any) -> bool:
        if id not in self._asked:
            return False
        request, asked_at, timer = self._asked.pop(id)
        timer.cancel()
        now, number = self._loop.time(), self.connection.number
        if isinstance(request, Hello) and isinstance(result, Welcome):
            resume = request.resume or None
            self._log(Welcomed(now, self._device, number, resume.u if resume else None, result))
        self._log(Answered(now, self._device, number, asked_at, request, result))
        # Nobody but the session itself turns pages.
        return isinstance(result, Conversations) and isinstance(request, ListConversations) and bool(request.before)

    def _miss(self, id: int) -> None:
        request, asked_at, _ = self._asked.pop(id)
        if self.connection.answers(since=asked_at) and not self.unread:
            self._log(Unanswered(self._loop.time(), self._device, self.connection.number, request))
