"""idle on several nodes: as many connections as the machine holds, all pinged, and what they cost on every node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.kernel import kernel_memory
from bench.load import SOCKETS_PER_PROCESS, Load
from bench.measure import Figure, Measured, Meter, generator_cpu_seconds
from bench.metrics import read_nodes
from bench.prepare import AT_ONCE, befriend
from bench.process import memory
from bench.room import room
from bench.stage import Part, Progress, Stage
from bench.workloads.idle import LONGEST_PING, PING_S, REST_SOON, Size, growth, notes, rests, slopes

WINDOWS = 2
"""In each of them everybody has to be pinged: together they are more than a minute."""

GENERATOR_CPU = "generator CPU per connection and second"


class Held(msgspec.Struct, frozen=True):
    """Ramps to each of `steps` connections for every one of `nodes` nodes, each user after one durable event and one
    ack; then nothing happens but pings for `WINDOWS` times `window_s`.

    Several generators go in step, each with a part of the users; the first reads what is measured.
    """

    nodes: int
    steps: tuple[int, ...] = (5_000, 10_000)
    window_s: float = 32.0
    settle_s: float = 60.0
    rate: float = 1_500.0
    raised: dict[str, str] = {}

    name: ClassVar[str] = "idle"
    needs_disk: ClassVar[bool] = False

    @property
    def parts(self) -> int:
        return -(-self.users_for(self.nodes) // SOCKETS_PER_PROCESS)

    def users_for(self, nodes: int) -> int:
        return self.steps[-1] * nodes

    def quick(self) -> Held:
        return msgspec.structs.replace(self, window_s=3.0, raised=REST_SOON)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        part = stage.part
        clients: list[Client] = []
        sizes: list[Size] = []
        async with Load(stage) as load:
            for step in self.steps:
                share = len(stage.users) * step // self.steps[-1]
                progress(f"{step * self.nodes} connections on {self.nodes} nodes", len(clients), share)
                await self._gather(load, stage, clients, share // 2 * 2, progress)
                await _in_step(part)
                if _leads(part):
                    await self._settled(stage, progress)
                    sizes.append(Size(step * self.nodes, memory(stage.nodes), kernel_memory()))
                await _in_step(part)
            measured = await self._watched(load, stage, clients, progress)
            if _leads(part):
                measured.figures += [*slopes(sizes), *await asyncio.to_thread(_nodes, stage)]
                measured.notes |= notes(sizes) | {"room": str(room(self.nodes))}
                measured.curves = [growth(sizes)]
            await _in_step(part)
            measured.faults = load.faults.lines()
        return measured

    async def _gather(self, load: Load, stage: Stage, clients: list[Client], count: int, progress: Progress) -> None:
        """Let the next users in until there are `count`, and each two of them speak once."""
        users = stage.users[len(clients) : count]
        added = [Client(load.crowd, user, f"device-{user.user}") for user in users]
        parts = stage.part.of if stage.part else 1
        await load.connect(added, self.rate / parts)
        pairs = list(zip(added[::2], added[1::2], strict=True))
        await befriend(pairs, progress, both_ways=False, at_once=max(1, AT_ONCE // parts))
        clients += added

    async def _watched(self, load: Load, stage: Stage, clients: Sequence[Client], progress: Progress) -> Measured:
        """Nothing but pings; who is not pinged in one of the windows is a fault."""
        load.crowd.pings, moves = 0, load.crowd.moves
        meter, own = Meter(stage.nodes, stage.stores, stage.buses), generator_cpu_seconds()
        for _ in range(WINDOWS):
            progress(f"{len(clients)} connections of this generator idle for {self.window_s:.0f} s")
            for client in clients:
                client.pinged = False
            await asyncio.sleep(self.window_s)
            unpinged = sum(not client.pinged for client in clients)
            if unpinged and self.window_s >= LONGEST_PING * PING_S:
                load.faults.add("never pinged", f"in {self.window_s:.0f} s", unpinged)
        seconds, everybody = WINDOWS * self.window_s, self.users_for(self.nodes)
        figures = [
            Figure("connections held", "", sum(client.transport is not None for client in clients), "higher"),
            Figure("pings answered", "", load.crowd.pings, "higher"),
            Figure("moves to another home", "", load.crowd.moves - moves),
        ]
        if not _leads(stage.part):
            own = (generator_cpu_seconds() - own) * 1e6 / everybody / seconds
            return Measured([*figures, Figure(GENERATOR_CPU, "µs", own)])
        return Measured([*figures, *meter.per("connection and second", everybody, seconds)])

    async def _settled(self, stage: Stage, progress: Progress) -> None:
        progress("waiting until conversations rest")
        give_up = monotonic() + self.settle_s
        while monotonic() < give_up:
            await asyncio.sleep(0.5)
            if all(map(rests, await asyncio.to_thread(read_nodes, stage))):
                return


def _leads(part: Part | None) -> bool:
    return part is None or part.leads


async def _in_step(part: Part | None) -> None:
    if part is not None:
        await part.in_step()


def _nodes(stage: Stage) -> list[Figure]:
    """Memory and connections of each node, as it says itself."""
    sizes = [memory((pid,)).rss for pid in stage.nodes]
    told = [samples.get("tidings_connections", 0.0) for samples in read_nodes(stage)]
    return [
        *(Figure(f"RSS of node {k}", "MiB", size / 2**20) for k, size in enumerate(sizes, 1)),
        *(Figure(f"connections of node {k}", "", count, "neither") for k, count in enumerate(told, 1)),
    ]
