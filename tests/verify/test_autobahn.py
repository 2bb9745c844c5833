"""Autobahn's cases against an echo server over `WebSocket`: all that apply, no failure. About 3 s."""

import asyncio
from collections import Counter

import pytest
from kosoku import run_fuzzingclient

from protocol.handshake import Elsewhere, Incomplete, Refused, Upgrade, parse
from protocol.websocket import State, WebSocket, frame

pytestmark = pytest.mark.verify

COMPRESSION = ["12.*", "13.*"]
CASES = 301
LARGEST_MESSAGE = 16 << 20
MOST_FRAGMENTS = 1 << 16


class Echo(asyncio.Protocol):
    """Sends every message back. It keeps no write limit: the cases read what they are sent."""

    def __init__(self) -> None:
        self._head = b""
        self._socket: WebSocket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._socket is None:
            self._upgrade(data)
        elif self._socket.state is not State.CLOSED:
            self._receive(self._socket, data)

    def _upgrade(self, data: bytes) -> None:
        self._head += data
        match parse(self._head, frozenset()):
            case Upgrade() as upgrade:
                self._transport.write(upgrade.response)
                self._socket = WebSocket(None, LARGEST_MESSAGE, MOST_FRAGMENTS)
                self._receive(self._socket, self._head[upgrade.consumed :])
            case Refused() as refused:
                self._transport.write(refused.response)
                self._transport.close()
            case Elsewhere():
                self._transport.close()
            case Incomplete():
                return

    def _receive(self, socket: WebSocket, data: bytes) -> None:
        messages = socket.receive(data)
        if socket.state is State.OPEN:
            self._transport.write(socket.drain())
        for message in messages:
            self._transport.write(frame(*message))
        self._transport.write(socket.drain())
        if socket.state is State.CLOSED:
            self._transport.write_eof()


async def test_every_case_that_applies_passes() -> None:
    loop = asyncio.get_running_loop()
    failures: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: failures.append(context))
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        results = await run_fuzzingclient(f"ws://127.0.0.1:{port}/v1/socket", exclude_cases=COMPRESSION, concurrency=8)
    print(f"{len(results)} cases:", dict(Counter(result.behavior.value for result in results)))
    assert failures == []
    assert len(results) == CASES
    assert [result.case_id for result in results if not result.passed] == []
    assert [result.case_id for result in results if result.behavior.value not in ("OK", "INFORMATIONAL")] == []
