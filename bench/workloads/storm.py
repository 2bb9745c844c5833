"""storm: what it costs to let clients in, on an open-loop ramp: the first time (fresh) and back again (resumed)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from time import monotonic
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.crowd import Crowd
from bench.frames import Socket, masked
from bench.load import CONNECT_WITHIN, Echo, Load
from bench.measure import Figure, Measured, Meter, latency_figures, percentile_ms
from bench.prepare import befriend
from bench.schedule import Pacer, ramp, steady
from bench.stage import Progress, Stage
from bench.wire import Stored, User

FRESH, RESUMED = "connect + hello fresh", "connect + hello resumed"
LEAVE_RATE = 2_000.0


class Arriving(Client):
    """A client that notes how long after its intended connect it was synced."""

    __slots__ = ("_took",)

    def __init__(self, crowd: Crowd, user: User, took: array[float], resume: Stored | None = None) -> None:
        super().__init__(crowd, user, f"device-{user.user}", resume, snapshot=resume is None)
        self._took = took

    def ready(self) -> None:
        self._took.append(self.read_at - self.due)
        super().ready()


class Greeting(Echo):
    """A socket of the floor that notes the same for its one echoed frame."""

    __slots__ = ("_took",)

    def __init__(self, crowd: Crowd, first: bytes, took: array[float]) -> None:
        super().__init__(crowd, first)
        self._took = took

    def message(self, payload: bytes) -> None:
        self._took.append(self.read_at - self.due)
        super().message(payload)


class Storm(msgspec.Struct, frozen=True):
    """`connections` users connect while the rate rises from a quarter of `rate` per second to all of it; each then has
    one durable event and one ack, closes with 3000, and resumes on the same ramp."""

    connections: int = 5_000
    rate: float = 1_500.0

    name: ClassVar[str] = "storm"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = False

    @property
    def users(self) -> int:
        return self.connections

    def quick(self) -> Storm:
        return msgspec.structs.replace(self, connections=self.connections // 5 * 2)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            took = array("d")
            first = [Arriving(load.crowd, user, took) for user in stage.users]
            fresh = await self._arrive(FRESH, load, stage, first, took, progress)
            await befriend(list(zip(first[::2], first[1::2], strict=True)), progress)
            await self._leave(load, first, progress)
            took = array("d")
            again = [Arriving(load.crowd, client.user, took, client.stored) for client in first]
            resumed = await self._arrive(RESUMED, load, stage, again, took, progress)
            faults = load.faults.lines()
        return Measured(
            fresh.figures + resumed.figures,
            fresh.latencies + resumed.latencies,
            faults,
            max(fresh.lag_p99_ms, resumed.lag_p99_ms),
            {"ramp": f"{self.rate / 4:.0f} to {self.rate:.0f} connects/s"},
        )

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            took = array("d")
            frame = masked(b"x" * 100)
            sockets = [Greeting(load.crowd, frame, took) for _ in range(self.connections)]
            measured = await self._arrive(RESUMED, load, stage, sockets, took, progress)
        beside = [msgspec.structs.replace(f, name=f.name.replace(RESUMED, FRESH)) for f in measured.figures]
        measured.figures += beside
        measured.faults = load.faults.lines()
        return measured

    async def _arrive(
        self, what: str, load: Load, stage: Stage, sockets: Sequence[Socket], took: array[float], progress: Progress
    ) -> Measured:
        """Connect all on the ramp; the window ends when the last one is in."""
        progress(f"{len(sockets)} x {what}")
        load.crowd.expect(len(sockets))
        meter = Meter(stage.nodes, stage.stores)
        pacer = await load.dialler.open(sockets, ramp(len(sockets), self.rate / 4, self.rate))
        await load.crowd.all_told(CONNECT_WITHIN, f"not through within the time: {what}")
        seconds = monotonic() - pacer.started
        rate = Figure(f"{what} per second", "1/s", len(took) / seconds, "higher")
        latencies = latency_figures(what, took)
        return Measured([*meter.per(what, len(sockets)), rate], latencies, [], percentile_ms(pacer.lags, 99))

    async def _leave(self, load: Load, clients: Sequence[Client], progress: Progress) -> None:
        progress(f"{len(clients)} clients close with 3000")
        load.crowd.expect(len(clients))
        await Pacer(steady(LEAVE_RATE, len(clients) / LEAVE_RATE), lambda k, _: clients[k].leave()).run()
        await load.crowd.all_told(CONNECT_WITHIN, "close not answered")
