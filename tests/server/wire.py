"""A client made of `websockets` and `msgpack` or `json` alone: no code of ours between the test and the wire."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

Map = dict[str, Any]
WITHIN_S = 10.0


class Wire:
    """One connection; `ask` pairs replies with requests and keeps the events that come meanwhile for `event`."""

    def __init__(self, socket: ClientConnection, binary: bool) -> None:
        self.socket = socket
        self.received = 0
        self._binary = binary
        self._ids = itertools.count(1)
        self._events: list[Map] = []
        self._replies: dict[int, Map] = {}

    async def send(self, message: Map) -> None:
        await self.socket.send(msgpack.packb(message) if self._binary else json.dumps(message))

    async def receive(self) -> Map:
        async with asyncio.timeout(WITHIN_S):
            raw = await self.socket.recv()
        self.received += len(raw)
        message: Map = msgpack.unpackb(raw) if isinstance(raw, bytes) else json.loads(raw)
        return message

    async def begin(self, op: str, **fields: Any) -> int:
        """Send a request without waiting; its id."""
        id = next(self._ids)
        await self.send({"op": op, "id": id, **fields})
        return id

    async def reply(self, id: int) -> Map:
        while id not in self._replies:
            message = await self.receive()
            if "re" in message:
                self._replies[message["re"]] = message
            else:
                self._events.append(message)
        return self._replies.pop(id)

    async def ask(self, op: str, **fields: Any) -> Map:
        """The whole reply."""
        return await self.reply(await self.begin(op, **fields))

    async def ok(self, op: str, **fields: Any) -> Map:
        reply = await self.ask(op, **fields)
        assert "ok" in reply, reply
        ok: Map = reply["ok"]
        return ok

    async def err(self, op: str, **fields: Any) -> Map:
        reply = await self.ask(op, **fields)
        assert "err" in reply, reply
        err: Map = reply["err"]
        return err

    async def event(self, ev: str | None = None) -> Map:
        """The next event, or the next of one kind; others are dropped."""
        while True:
            message = self._events.pop(0) if self._events else await self.receive()
            if "ev" in message and ev in (None, message["ev"]):
                return message

    def taken(self) -> list[Map]:
        """The events that have come and were not asked for."""
        events, self._events = self._events, []
        return events

    async def until_synced(self) -> list[Map]:
        """Everything up to and with `synced`."""
        events = [await self.event()]
        while events[-1]["ev"] != "synced":
            events.append(await self.event())
        return events

    async def closed(self) -> tuple[int, Map]:
        """The code and reason with which the server closes."""
        async with asyncio.timeout(WITHIN_S):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code, json.loads(self.socket.close_reason or "{}")


@asynccontextmanager
async def dial(url: str, *, binary: bool = True) -> AsyncIterator[Wire]:
    """A connection before its hello."""
    subprotocol = "tidings.v1.msgpack" if binary else "tidings.v1.json"
    # Without a bound on its queue the client reads on even when the test does not.
    async with connect(
        url, subprotocols=[Subprotocol(subprotocol)], compression=None, ping_interval=None, max_queue=None
    ) as socket:
        yield Wire(socket, binary)


@asynccontextmanager
async def session(
    url: str, token: str, *, device: str = "phone", binary: bool = True, **hello: Any
) -> AsyncIterator[tuple[Wire, Map]]:
    """A connection after its hello, and what that answered. Events up to `synced` are still to be read."""
    async with dial(url, binary=binary) as wire:
        about = {"id": device, "platform": "test", "app": "tests"}
        welcome = await wire.ok("hello", token=token, device=about, **hello)
        yield wire, welcome
