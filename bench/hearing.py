"""Hearing: a process that reads many sockets of clients which only listen, and notes when each had its bytes.

What it reads it judges later, when nothing has come for a while: to decode at once would keep the next sockets waiting,
and the processors from whom is measured. It goes on with the sockets, and with what their clients know, as the process
had them that forked it.
"""

from __future__ import annotations

import os
import select
import traceback
from collections.abc import Callable, Iterator, Sequence
from time import monotonic, sleep
from typing import Any

import msgspec

from bench.client import Client
from bench.faults import Faults
from bench.measure import generator_cpu_seconds
from bench.subject import RunError

READ, AT_ONCE = 8_192, 4_096
GATHER_S = 0.001
"""Between two looks for what has come, which is noted so much late at most. Who sleeps until a first socket has
something is woken by each, on processors that the servers share: that is not what clients elsewhere cost a server."""
QUIET_S, LATEST_S = 0.25, 4.0
"""What has come is judged, and pings answered, when nothing has come for so long, or after so long: of many nodes one
always pings."""


class Heard(msgspec.Struct):
    """What a process has heard: `kept` of each client in their order, what was wrong, and its processor time."""

    kept: list[Any]
    faults: list[str]
    cpu_s: float


class Raw:
    """The transport of a client in the process that reads for it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        os.write(self._descriptor, data)

    def abort(self) -> None:
        """The other process has the socket still."""


class Hearing:
    """Reads for `clients` from now until `end`; `kept` is what is to be known of each, as MessagePack knows it.

    Their transports read nothing meanwhile, and never again.
    """

    def __init__(self, clients: Sequence[Client], kept: Callable[[Client], Any]) -> None:
        descriptors = []
        for client in clients:
            # uvloop's are no `asyncio.Transport` by their class.
            transport: Any = client.transport
            transport.pause_reading()
            descriptors.append(transport.get_extra_info("socket").fileno())
        self._told, tell = os.pipe()
        stopped, self._stop = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                # As long as somebody can write into it, it has no end.
                os.close(self._stop)
                heard = _listen(dict(zip(descriptors, clients, strict=True)), stopped, kept)
            except BaseException:
                heard = Heard([], [traceback.format_exc()], 0.0)
            try:
                with os.fdopen(tell, "wb") as pipe:
                    pipe.write(msgspec.msgpack.encode(heard))
            finally:
                os._exit(0)
        os.close(tell)
        os.close(stopped)

    def end(self) -> Heard:
        """Stop when nothing has come for a while; blocks until then. Raises RunError when it ended before."""
        os.close(self._stop)
        with os.fdopen(self._told, "rb") as pipe:
            told = pipe.read()
        os.waitpid(self._process, 0)
        if not told:
            raise RunError("the process that reads for the followers has ended")
        return msgspec.msgpack.decode(told, type=Heard)


def _listen(clients: dict[int, Client], stopped: int, kept: Callable[[Client], Any]) -> Heard:
    begun = generator_cpu_seconds()
    faults = Faults()
    poll = select.epoll()
    # A transport that nobody holds closes its socket.
    held = [client.transport for client in clients.values()]
    for descriptor, client in clients.items():
        client.transport = Raw(descriptor)  # type: ignore[assignment]
        client.crowd.faults = faults
        poll.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
    poll.register(stopped, select.EPOLLIN)
    came: list[tuple[int, float, bytes]] = []
    judged = monotonic()
    while True:
        ready = poll.poll(QUIET_S, AT_ONCE)
        for descriptor, events in ready:
            if descriptor != stopped:
                came += _read(descriptor, ended=bool(events & select.EPOLLRDHUP))
        comes = any(descriptor != stopped for descriptor, _ in ready)
        if comes:
            sleep(GATHER_S)
            if monotonic() - judged < LATEST_S:
                continue
        for descriptor, at, data in came:
            if data:
                clients[descriptor].received(data, at)
            else:
                clients[descriptor].end("connection lost")
        came.clear()
        judged = monotonic()
        if ready and not comes:
            held.clear()
            return Heard([kept(one) for one in clients.values()], faults.lines(), generator_cpu_seconds() - begun)


def _read(descriptor: int, *, ended: bool) -> Iterator[tuple[int, float, bytes]]:
    """All that is there, the end too: it is told only once that there is something."""
    while True:
        try:
            data = os.read(descriptor, READ)
        except BlockingIOError:
            return
        yield descriptor, monotonic(), data
        if not data or (len(data) < READ and not ended):
            return
