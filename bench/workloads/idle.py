"""idle: what an open, authenticated, pinged connection costs in memory and in processor time while nothing happens."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.frames import Socket, masked
from bench.load import SOCKETS_PER_PROCESS, Echo, Load
from bench.measure import Figure, Measured, Meter, percentile_ms
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


class Idle(msgspec.Struct, frozen=True):
    """Ramps to each of `steps` connections, distinct users, each after one durable event and one ack; then waits."""

    steps: tuple[int, ...] = (5_000, 10_000)
    window_s: float = 32.0
    # Longer than an actor of a conversation stays without mail: what is measured is idle.
    settle_s: float = 40.0
    rate: float = 1_000.0

    name: ClassVar[str] = "idle"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.steps[-1] > SOCKETS_PER_PROCESS:
            raise ValueError(f"a node and a generator hold at most {SOCKETS_PER_PROCESS} sockets")

    @property
    def users(self) -> int:
        return self.steps[-1]

    def quick(self) -> Idle:
        return msgspec.structs.replace(self, steps=tuple(s for s in self.steps if s in SLOPE), window_s=5.0)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        clients: list[Client] = []
        sizes: list[tuple[int, Memory, int]] = []
        async with Load(stage) as load:
            for step in self.steps:
                progress(f"{step} connections", len(clients), step)
                users = stage.users[len(clients) : step]
                added = [Client(load.crowd, user, f"device-{user.user}") for user in users]
                await load.connect(added, self.rate)
                await befriend(list(zip(added[::2], added[1::2], strict=True)), progress)
                clients += added
                await self._settled(progress)
                sizes.append((step, memory(stage.nodes), _kernel_bytes()))
            progress(f"{len(clients)} connections idle for {self.window_s:.0f} s")
            load.crowd.pings = 0
            for client in clients:
                client.pinged = False
            meter = Meter(stage.nodes, stage.stores)
            await asyncio.sleep(self.window_s)
            figures = meter.per("connection and second", len(clients), self.window_s)
            measured = Measured(_slopes(sizes) + figures, notes=_notes(sizes))
            measured.notes["pings answered in the window"] = f"{load.crowd.pings} in {self.window_s:.0f} s"
            unpinged = sum(not client.pinged for client in clients)
            if unpinged and self.window_s >= LONGEST_PING * PING_S:
                load.faults.add("never pinged", f"in {self.window_s:.0f} s", unpinged)
            measured.faults = load.faults.lines()
        return measured

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        sockets: list[Socket] = []
        sizes: list[tuple[int, Memory, int]] = []
        async with Load(stage) as load:
            for step in self.steps:
                progress(f"{step} connections", len(sockets), step)
                added = [Echo(load.crowd, FRAME) for _ in range(step - len(sockets))]
                load.crowd.expect(len(added))
                await load.dialler.open(added, ramp(len(added), FLOOR_RATE, FLOOR_RATE))
                await load.crowd.all_told(10, "no echo")
                sockets += added
                await asyncio.sleep(0.5)
                sizes.append((step, memory(stage.nodes), _kernel_bytes()))
            progress(f"{len(sockets)} connections idle for {self.window_s:.0f} s")
            count = len(sockets)
            pacer = Pacer(steady(count / PING_S, self.window_s), lambda k, _: sockets[k % count].send(FRAME))
            meter = Meter(stage.nodes, stage.stores)
            await pacer.run()
            figures = meter.per("connection and second", count, self.window_s)
        lag = percentile_ms(pacer.lags, 99)
        return Measured(_slopes(sizes) + figures, [], load.faults.lines(), lag, _notes(sizes))

    async def _settled(self, progress: Progress) -> None:
        progress(f"settling for {self.settle_s:.0f} s")
        await asyncio.sleep(self.settle_s)


def _slopes(sizes: list[tuple[int, Memory, int]]) -> list[Figure]:
    """Bytes per connection between 5,000 and 10,000 where both were reached, else between the last two steps."""
    steps = [(a, b) for a, b in pairwise(sizes) if (a[0], b[0]) == SLOPE] or list(pairwise(sizes))
    if not steps:
        return []
    (few, small, kernel_few), (many, large, kernel_many) = steps[-1]
    added = many - few
    return [
        Figure("RSS per connection", "B", (large.rss - small.rss) / added),
        Figure("Pss per connection", "B", (large.pss - small.pss) / added),
        Figure("private memory per connection", "B", (large.private - small.private) / added),
        Figure("kernel slab per connection, both ends", "B", (kernel_many - kernel_few) / added),
    ]


def _notes(sizes: list[tuple[int, Memory, int]]) -> dict[str, str]:
    return {"RSS by connections": ", ".join(f"{count}: {size.rss / 2**20:.1f} MiB" for count, size, _ in sizes)}


def _kernel_bytes() -> int:
    """Slab of the whole machine (proc(5), meminfo)."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Slab:"))
