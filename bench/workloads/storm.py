"""storm: what it costs to let clients in, what others notice, and how soon all are back when their node is killed."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.crowd import Crowd
from bench.frames import masked
from bench.load import CONNECT_WITHIN, Echo, Load
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms, together
from bench.prepare import befriend
from bench.schedule import Pacer, ramp, steady
from bench.stage import Progress, Stage
from bench.wire import Stored, User
from bench.workloads.control import Control, harm
from bench.workloads.kill import Kill

FRAME = masked(b"x" * 100)
FRESH, RESUMED = "connect + hello fresh", "connect + hello resumed"
LEAVE_RATE = 2_000.0


class Arriving(Client):
    """A client that notes in `took` how many seconds after its intended connect it was synced."""

    __slots__ = ("took",)

    def __init__(self, crowd: Crowd, user: User, resume: Stored | None = None) -> None:
        super().__init__(crowd, user, f"device-{user.user}", resume, snapshot=resume is None)
        self.took = 0.0

    def again(self) -> Arriving:
        """The same client on its next connection."""
        client = Arriving(self.crowd, self.user, self.stored)
        client.heads, client.port = self.heads, self.port
        return client

    def ready(self) -> None:
        self.took = self.read_at - self.due
        super().ready()


class Greeting(Echo):
    """A socket of the floor that notes the same for its one echoed frame."""

    __slots__ = ("took",)

    def __init__(self, crowd: Crowd, first: bytes) -> None:
        super().__init__(crowd, first)
        self.took = 0.0

    def message(self, payload: bytes) -> None:
        self.took = self.read_at - self.due
        super().message(payload)


class Storm(msgspec.Struct, frozen=True):
    """`connections` users connect while the rate rises from a quarter of `rate` per second to all of it; each then has
    one durable event and one ack, closes with 3000, and resumes on the same ramp.

    All resume once more while a `control` group talks, `control_rate` messages per second, as it did for `quiet_s`
    before. In the end the node is killed, where somebody starts it again, and everybody comes back at once. Of several
    nodes the first is killed, and who was at home there comes back to the others.
    """

    connections: int = 5_000
    rate: float = 1_500.0
    control: int = 100
    control_rate: float = 200.0
    quiet_s: float = 5.0
    seed: int = 1

    name: ClassVar[str] = "storm"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = False

    def users_for(self, nodes: int) -> int:
        return self.connections + self.control

    def quick(self) -> Storm:
        return msgspec.structs.replace(self, connections=self.connections // 5 * 2, quiet_s=1.5)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            others = stage.users[self.connections :]
            control = await Control.gather(load, others, self.control_rate, self.seed, progress)
            clients = [Arriving(load.crowd, user) for user in stage.users[: self.connections]]
            parts = [await self._arrive(FRESH, load, stage, clients, progress)]
            await befriend(list(zip(clients[::2], clients[1::2], strict=True)), progress)
            clients = await self._leave(load, clients, progress)
            parts.append(await self._arrive(RESUMED, load, stage, clients, progress))
            clients = await self._leave(load, clients, progress)
            parts.append(await self._harm(load, stage, control, clients, progress))
            if stage.supervised:
                progress("the node is killed")
                everybody = [*clients, *control.senders]
                parts.append(await Kill(load, stage, everybody, Random(self.seed)).measured())
            measured = together(parts)
            measured.faults = load.faults.lines()
        measured.notes["ramp"] = f"{self.rate / 4:.0f} to {self.rate:.0f} connects/s"
        return measured

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            sockets = [Greeting(load.crowd, FRAME) for _ in range(self.connections)]
            measured = await self._arrive(RESUMED, load, stage, sockets, progress)
        beside = [msgspec.structs.replace(f, name=f.name.replace(RESUMED, FRESH)) for f in measured.figures]
        measured.figures += beside
        measured.faults = load.faults.lines()
        return measured

    async def _arrive(
        self, what: str, load: Load, stage: Stage, sockets: Sequence[Arriving | Greeting], progress: Progress
    ) -> Measured:
        """Connect all on the ramp; the window ends when the last one is in."""
        progress(f"{len(sockets)} x {what}")
        load.crowd.expect(len(sockets))
        meter = Meter(stage.nodes, stage.stores, stage.buses)
        pacer = await load.dialler.open(sockets, self._ramp(len(sockets)))
        await load.crowd.all_told(CONNECT_WITHIN, f"not through within the time: {what}")
        seconds = monotonic() - pacer.started
        figures = meter.per(what, len(sockets))
        took = array("d", (socket.took for socket in sockets if socket.took))
        figures.append(Figure(f"{what} per second", "1/s", len(took) / seconds, "higher"))
        lag = percentile_ms(pacer.lags, 99)
        return Measured(figures, latency_figures(what, took), lag_p99_ms=lag, curves=[distribution(what, took)])

    async def _leave(self, load: Load, clients: Sequence[Arriving], progress: Progress) -> list[Arriving]:
        """All close with 3000; returns them as they will come back."""
        progress(f"{len(clients)} clients close with 3000")
        load.crowd.expect(len(clients))
        await Pacer(steady(LEAVE_RATE, len(clients) / LEAVE_RATE), lambda k, _: clients[k].leave()).run()
        await load.crowd.all_told(CONNECT_WITHIN, "close not answered")
        return [client.again() for client in clients]

    async def _harm(
        self, load: Load, stage: Stage, control: Control, clients: Sequence[Arriving], progress: Progress
    ) -> Measured:
        """What the control group notices while all resume at once more."""
        progress(f"{len(control.senders)} others talk")
        before = await control.talk("before", self.quiet_s)
        async with asyncio.TaskGroup() as both:
            storm = both.create_task(self._arrive(RESUMED, load, stage, clients, progress))
            talk = both.create_task(control.talk("during", self._ramp(len(clients))[-1]))
        during = talk.result()
        during.latencies.append(harm(before, during))
        during.lag_p99_ms = max(during.lag_p99_ms, storm.result().lag_p99_ms)
        return together([before, during])

    def _ramp(self, count: int) -> array[float]:
        return ramp(count, self.rate / 4, self.rate)
