"""Opens the sockets of a run on time, within what one process and one source address can hold."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from itertools import cycle
from secrets import randbelow
from typing import Self

from bench.client import Client
from bench.crowd import Crowd
from bench.faults import Faults
from bench.frames import Socket, upgrade
from bench.schedule import Pacer, ramp
from bench.stage import Stage

SOCKETS_PER_PROCESS = 19_000
PORTS_PER_SOURCE = 20_000
"""Connections from one loopback address before the next is taken: below the ~28,000 ports of the ephemeral range."""

FIRST_PORT = 33_000
SOURCES = 253 * 256 * 254
"""Addresses 127.1.0.1 to 127.253.255.254. Each dialler begins at a random one, so that no port is waited for in
TIME_WAIT, and names its ports: letting the kernel search one among 20,000 in that state costs it 2 ms a connect."""

CONNECT_WITHIN = 30.0


class Echo(Socket):
    """A socket of the floor: tells the crowd when it is open and when its frame came back."""

    __slots__ = ("crowd", "first")

    def __init__(self, crowd: Crowd, first: bytes = b"") -> None:
        super().__init__(crowd.request)
        self.crowd = crowd
        self.first = first

    def opened(self) -> None:
        if self.first:
            self.send(self.first)
        else:
            self.crowd.tell()

    def message(self, payload: bytes) -> None:
        self.crowd.tell()

    def ended(self, reason: str) -> None:
        self.crowd.faults.add("connection ended by the server", reason)


def source(number: int) -> str:
    """The loopback address with a number."""
    number %= SOURCES
    return f"127.{1 + number // (256 * 254)}.{number // 254 % 256}.{1 + number % 254}"


class Dialler:
    """Opens sockets on a stage, each from a loopback address and port that nobody used before.

    A socket goes to the port that it names, and otherwise to the stage's; where there are several nodes to each one's
    own port in turn, so that it is known who let it in.
    """

    def __init__(self, stage: Stage, faults: Faults) -> None:
        self.faults = faults
        self.request = upgrade(stage.host, stage.port)
        self._stage = stage
        self._doors = cycle(stage.ports or (stage.port,))
        self._opened: list[Socket] = []
        self._first = randbelow(SOURCES)
        self._dialled = 0

    async def open(self, sockets: Sequence[Socket], schedule: array[float]) -> Pacer:
        """Connect all, each at its time of the schedule; returns when the last connection stands or has failed."""

        async def connect(socket: Socket) -> None:
            try:
                await self.dial(socket)
            except (OSError, TimeoutError) as error:
                self.faults.add("connect failed", repr(error))

        def begin(k: int, due: float) -> None:
            sockets[k].due = due
            dialling.create_task(connect(sockets[k]))

        async with asyncio.TaskGroup() as dialling:
            pacer = Pacer(schedule, begin)
            await pacer.run()
        return pacer

    async def dial(self, socket: Socket) -> None:
        """Connect one. Raises OSError or TimeoutError when the server does not let it."""
        address, port = divmod(self._dialled, PORTS_PER_SOURCE)
        self._dialled += 1
        socket.port = socket.port or next(self._doors)
        local = (source(self._first + address), FIRST_PORT + port)
        self._opened.append(socket)
        async with asyncio.timeout(CONNECT_WITHIN):
            await asyncio.get_running_loop().create_connection(
                lambda: socket, self._stage.host, socket.port, local_addr=local
            )

    async def abandon(self) -> None:
        """Drop every socket that is still open."""
        for socket in self._opened:
            socket.abandon()
        await asyncio.sleep(0)


class Load:
    """A crowd of clients on a stage, acking in the background: `async with Load(stage) as load`."""

    def __init__(self, stage: Stage) -> None:
        self.faults = Faults()
        self.dialler = Dialler(stage, self.faults)
        self.crowd = Crowd(self.dialler.request, self.faults, self._follow if stage.ports else None)
        self._following: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._acking = asyncio.ensure_future(self.crowd.keep_acking())
        return self

    async def __aexit__(self, *exc: object) -> None:
        running = [self._acking, *self._following]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.dialler.abandon()

    async def connect(self, clients: Sequence[Client], rate: float) -> None:
        """Connect all at `rate` per second and wait until each is synced."""
        self.crowd.expect(len(clients))
        await self.dialler.open(clients, ramp(len(clients), rate, rate))
        await self.crowd.all_told(CONNECT_WITHIN, "no hello within the time")

    def _follow(self, client: Client) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(client))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _dial(self, client: Client) -> None:
        try:
            await self.dialler.dial(client)
        except (OSError, TimeoutError) as error:
            client.unreachable(error)
