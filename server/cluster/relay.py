"""Relays: sockets of clients that do not follow to their home node. Both directions are passed on as they come.

    client ── messages ──► connection here ── the same, framed anew ──► home
    client ◄────────────── connection here ◄── frames, byte for byte ── home

The home sees an ordinary socket and does all that is to be done: answers, pings, closes.
"""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from persistence.nodes.contract import Life
from protocol.requests import Hello
from server.cluster.far_end import FarEnd

if TYPE_CHECKING:
    from server.connection import Connection

ANSWER_WITHIN_S = 3.0
"""How long a home may take to accept a socket, from the first attempt to reach it on."""


class Relays:
    """The far ends, by the number of the client's connection here."""

    def __init__(self) -> None:
        self._ends: dict[int, FarEnd] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._ends)

    def home(self, number: int) -> Life | None:
        """Where this connection is relayed to, if it is."""
        end = self._ends.get(number)
        return end.home if end else None

    def begin(self, connection: "Connection", hello: Hello, home: Life) -> None:
        """Carry this connection on at its home, from its hello on.

        There it says that it follows: a home that has moved on meanwhile is not to relay once more.
        """
        end = self._ends[connection.number] = FarEnd(connection, home, self._ends.pop)
        end.send(connection.codec.encode(msgspec.structs.replace(hello, follow=True)))
        task = asyncio.get_running_loop().create_task(self._connect(end))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, end: FarEnd) -> None:
        host, _, port = end.home.address.rpartition(":")
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await asyncio.get_running_loop().create_connection(lambda: end, host.strip("[]"), int(port))
                await end.settled.wait()
        except (OSError, ValueError) as fault:
            end.fail(repr(fault))

    def send(self, number: int, payload: bytes) -> None:
        """The client has sent a message."""
        if end := self._ends.get(number):
            end.send(payload)

    def flow(self, number: int) -> None:
        """The client's socket takes more, or no more."""
        if end := self._ends.get(number):
            end.balance()

    def left(self, number: int, *, goodbye: bool) -> None:
        """The client's connection is over."""
        if end := self._ends.pop(number, None):
            end.leave(goodbye=goodbye)
