"""idle: what an open, authenticated, pinged connection costs in memory and in processor time while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import pairwise
from time import monotonic
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.frames import Socket, masked
from bench.kernel import Kernel, kernel_memory
from bench.load import SOCKETS_PER_PROCESS, Echo, Load
from bench.measure import Curve, Figure, Measured, Meter, percentile_ms
from bench.metrics import pause_figures, read_metrics
from bench.prepare import befriend
from bench.process import Memory, memory
from bench.schedule import Pacer, ramp, steady
from bench.stage import Progress, Stage

PING_S = 25.0
"""The contract's ping interval: the floor's sockets exchange one frame each in that time, as ours do ping and ack."""

LONGEST_PING = 1.25
"""The contract's ± 20 % and a little of the wheel that turns the pings."""

FRAME = masked(b"x" * 100)
FLOOR_RATE = 3_000.0
SLOPE = (5_000, 10_000)
REST_SOON = {"TIDINGS_ACTORS__CONVERSATION_IDLE_MS": "2000"}
"""For a quick run: only when conversations rest is what they took gone from the memory of connections."""


class Size(msgspec.Struct, frozen=True):
    """What `connections` took."""

    connections: int
    process: Memory
    kernel: Kernel


class Idle(msgspec.Struct, frozen=True):
    """Ramps to each of `steps` connections, distinct users, each after one durable event and one ack; then waits.

    What is measured is idle: before each reading every conversation has gone to rest, or `settle_s` have passed.
    """

    steps: tuple[int, ...] = (5_000, 10_000)
    window_s: float = 32.0
    settle_s: float = 40.0
    rate: float = 1_500.0
    raised: dict[str, str] = {}

    name: ClassVar[str] = "idle"
    needs_disk: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.steps[-1] > SOCKETS_PER_PROCESS:
            raise ValueError(f"a node and a generator hold at most {SOCKETS_PER_PROCESS} sockets")

    def users_for(self, nodes: int) -> int:
        return self.steps[-1]

    def quick(self) -> Idle:
        steps = tuple(step for step in self.steps if step in SLOPE)
        return msgspec.structs.replace(self, steps=steps, window_s=3.0, raised=REST_SOON)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        clients: list[Client] = []
        sizes: list[Size] = []
        async with Load(stage) as load:
            for step in self.steps:
                progress(f"{step} connections", len(clients), step)
                users = stage.users[len(clients) : step]
                added = [Client(load.crowd, user, f"device-{user.user}") for user in users]
                await load.connect(added, self.rate)
                await befriend(list(zip(added[::2], added[1::2], strict=True)), progress, both_ways=False)
                clients += added
                await self._settled(stage, progress)
                sizes.append(Size(step, memory(stage.nodes), kernel_memory()))
            progress(f"{len(clients)} connections idle for {self.window_s:.0f} s")
            load.crowd.pings = 0
            for client in clients:
                client.pinged = False
            meter = Meter(stage.nodes, stage.stores)
            await asyncio.sleep(self.window_s)
            figures = meter.per("connection and second", len(clients), self.window_s)
            pauses = pause_figures(await asyncio.to_thread(read_metrics, stage.host, stage.port))
            measured = Measured(slopes(sizes) + figures + pauses, notes=notes(sizes), curves=[growth(sizes)])
            measured.notes["pings answered in the window"] = f"{load.crowd.pings} in {self.window_s:.0f} s"
            unpinged = sum(not client.pinged for client in clients)
            if unpinged and self.window_s >= LONGEST_PING * PING_S:
                load.faults.add("never pinged", f"in {self.window_s:.0f} s", unpinged)
            measured.faults = load.faults.lines()
        return measured

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        sockets: list[Socket] = []
        sizes: list[Size] = []
        async with Load(stage) as load:
            for step in self.steps:
                progress(f"{step} connections", len(sockets), step)
                added = [Echo(load.crowd, FRAME) for _ in range(step - len(sockets))]
                load.crowd.expect(len(added))
                await load.dialler.open(added, ramp(len(added), FLOOR_RATE, FLOOR_RATE))
                await load.crowd.all_told(10, "no echo")
                sockets += added
                await asyncio.sleep(0.5)
                sizes.append(Size(step, memory(stage.nodes), kernel_memory()))
            progress(f"{len(sockets)} connections idle for {self.window_s:.0f} s")
            count = len(sockets)
            pacer = Pacer(steady(count / PING_S, self.window_s), lambda k, _: sockets[k % count].send(FRAME))
            meter = Meter(stage.nodes, stage.stores)
            await pacer.run()
            figures = meter.per("connection and second", count, self.window_s)
        lag = percentile_ms(pacer.lags, 99)
        return Measured(slopes(sizes) + figures, [], load.faults.lines(), lag, notes(sizes), [growth(sizes)])

    async def _settled(self, stage: Stage, progress: Progress) -> None:
        progress("waiting until conversations rest")
        give_up = monotonic() + self.settle_s
        while monotonic() < give_up:
            await asyncio.sleep(0.5)
            told = await asyncio.to_thread(read_metrics, stage.host, stage.port)
            if rests(told):
                return


def rests(told: Mapping[str, float]) -> bool:
    """Whether a node hosts no conversation: each user is one session and one actor, and there are no other actors."""
    return "tidings_actors" in told and told["tidings_actors"] == told["tidings_sessions"]


def slopes(sizes: Sequence[Size]) -> list[Figure]:
    """Bytes per connection between 5,000 and 10,000 where both were reached, else between the last two steps."""
    steps = [(a, b) for a, b in pairwise(sizes) if (a.connections, b.connections) == SLOPE] or list(pairwise(sizes))
    if not steps:
        return []
    few, many = steps[-1]
    grown = {
        "RSS per connection": many.process.rss - few.process.rss,
        "Pss per connection": many.process.pss - few.process.pss,
        "private memory per connection": many.process.private - few.process.private,
        "kernel slab per connection, both ends": many.kernel.slab - few.kernel.slab,
        "kernel socket buffers per connection, both ends": many.kernel.buffers - few.kernel.buffers,
    }
    if many.kernel.sockets is not None and few.kernel.sockets is not None:
        grown["kernel socket objects per connection, both ends"] = many.kernel.sockets - few.kernel.sockets
    return [Figure(name, "B", bytes / (many.connections - few.connections)) for name, bytes in grown.items()]


def notes(sizes: Sequence[Size]) -> dict[str, str]:
    """The memory of all nodes at each size."""
    return {"RSS by connections": ", ".join(f"{s.connections}: {s.process.rss / 2**20:.1f} MiB" for s in sizes)}


def growth(sizes: Sequence[Size]) -> Curve:
    """The same as a line."""
    return Curve("RSS", "connections", "MiB", [(s.connections, s.process.rss / 2**20) for s in sizes])
