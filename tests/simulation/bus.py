"""The simulated bus: frames between nodes that get lost, come twice, late or in another order, or one way only."""

import asyncio
from random import Random

from msgspec import Struct

from server.cluster.bus import Ears
from tests.simulation.process import Process

EARLIEST_S = 1e-5
"""Apart so far, two timers run in their order."""


class Traffic(Struct, frozen=True):
    """Probabilities per frame."""

    lost: float = 0.0
    repeated: float = 0.0
    late: float = 0.0


class Exchange:
    """What NATS is to real nodes. Faults strike while it is `stormy`; `severed` are pairs of names, one way each."""

    def __init__(self, random: Random, traffic: Traffic) -> None:
        self.stormy = self.down = False
        self.severed: set[tuple[str, str]] = set()
        self._random = random
        self._traffic = traffic
        self._lines: dict[str, Line] = {}

    def line(self, incarnation: str, name: str, process: Process) -> "Line":
        line = self._lines[incarnation] = Line(self, name, process)
        return line

    def close(self, incarnation: str) -> None:
        self._lines.pop(incarnation, None)

    def fail(self, down: bool) -> None:
        """The server is gone, or back."""
        self.down = down
        for line in self._lines.values():
            line.found_out(not down)

    def carry(self, sender: "Line", node: str, data: bytes) -> None:
        """A frame to the node of that incarnation."""
        receiver = self._lines.get(node)
        if receiver is None or self.down or (sender.name, receiver.name) in self.severed:
            return
        random, traffic = self._random, self._traffic
        if self.stormy and random.random() < traffic.lost:
            return
        receiver.arrive(data, self._delay(), in_order=not (self.stormy and random.random() < traffic.late))
        if self.stormy and random.random() < traffic.repeated:
            receiver.arrive(data, self._delay(), in_order=False)

    def spread(self, sender: "Line") -> None:
        """News for everybody."""
        for line in self._lines.values():
            if not self.down and (sender.name, line.name) not in self.severed:
                line.hear_news(self._delay())

    def _delay(self) -> float:
        if self.stormy and self._random.random() < self._traffic.late:
            return self._random.uniform(0.05, 1.5)
        return self._random.uniform(0.0002, 0.005)


class Line:
    """One node's end: a `Bus`."""

    def __init__(self, exchange: Exchange, name: str, process: Process) -> None:
        self.connected = not exchange.down
        self.name = name
        self._exchange = exchange
        self._process = process
        self._last = 0.0

    def listen(self, ears: Ears) -> None:
        """Called once, before anything arrives."""
        self._ears = ears

    def publish(self, node: str, data: bytes) -> None:
        if self.connected:
            self._exchange.carry(self, node, data)

    def announce(self) -> None:
        if self.connected:
            self._exchange.spread(self)

    def arrive(self, data: bytes, delay: float, *, in_order: bool) -> None:
        """After the delay, and in order not before what came earlier."""
        loop = asyncio.get_running_loop()
        at = loop.time() + delay
        if in_order:
            at = self._last = max(at, self._last + EARLIEST_S)
        loop.call_at(at, self._ears.received, data, context=self._process.context)

    def hear_news(self, delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, self._ears.hasten, context=self._process.context)

    def found_out(self, connected: bool) -> None:
        self._process.soon(self._switch, connected)

    def _switch(self, connected: bool) -> None:
        self.connected = connected
        if connected:
            self._ears.hasten()
        else:
            self._ears.bus_lost()
