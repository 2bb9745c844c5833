"""dm: durable direct messages at Poisson arrivals, acked and delivered, each counted on both sides."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import ClassVar

import msgspec

from bench.database import Log, read_log
from bench.frames import masked
from bench.load import Echo, Load
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms, together
from bench.metrics import batch_figures, batch_histogram, fsync_figures, link_figures, read_sums
from bench.prepare import befriend
from bench.schedule import Pacer, poisson, ramp
from bench.stage import Progress, Stage
from bench.workloads.messages import Sender, Traffic
from bench.workloads.pairs import SPARE, apart_at_home, by_owner, together_at_home

ACK_BAR_MS = 25.0
KEEPS_UP = 0.97
"""Share of the offered rate that must be acked while it is offered for a rate to hold."""

CONNECT_RATE = 1_500.0
PROBE_S = 4.0
KNEE_SHARES = (0.1, 0.5, 0.9)
REPORTS_S, REPORTING = 1.1, (200.0, 0.1)
"""Longer than Postgres waits between reports, and the messages per second and the seconds that then cause one."""

FRAME = masked(b"x" * 100)


class Dm(msgspec.Struct, frozen=True):
    """`rate` messages per second for `window_s`, after `warm_s` that count for nothing but are verified as well.

    Every arrival picks one of two senders of one of `conversations`; a sender has one message in flight, later ones
    wait at its side while their latency runs. On several nodes both of a conversation, and it itself, are at home on
    one. With `knee` the highest rate that holds `ACK_BAR_MS` at p99 is searched,
    and shares of it are measured.
    """

    rate: float = 3_000.0
    conversations: int = 1_000
    window_s: float = 10.0
    warm_s: float = 3.0
    knee: bool = False
    seed: int = 1
    drain_s: float = 10.0

    name: ClassVar[str] = "dm"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = True

    def users_for(self, nodes: int) -> int:
        return 2 * self.conversations if nodes == 1 else 2 * round(self.conversations * SPARE) + 2 * nodes

    def quick(self) -> Dm:
        return msgspec.structs.replace(self, window_s=min(self.window_s, 3.0), warm_s=1.0)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        random = Random(self.seed)
        async with Load(stage) as load:
            senders = [Sender(load.crowd, user, f"device-{user.user}") for user in stage.users]
            progress(f"{len(senders)} connections")
            await load.connect(senders, CONNECT_RATE)
            pairs = self.paired(senders) if stage.ports else list(zip(senders[::2], senders[1::2], strict=True))
            senders = [sender for pair in pairs for sender in pair]
            conversations = await befriend(pairs, progress)
            for one, other in pairs:
                one.meet(other, conversations[one])
            if self.knee:
                measured = await self._below_knee(load, stage, senders, random, progress)
            else:
                progress(f"warming up at {self.rate:.0f}/s")
                await self._talk(load, senders, self.rate, self.warm_s, random)
                measured = await self._measure(load, stage, senders, self.rate, random, progress)
            measured.faults = load.faults.lines()
        return measured

    def paired(self, senders: Sequence[Sender]) -> list[tuple[Sender, Sender]]:
        """Who talks to whom on several nodes, when it is known where each is at home."""
        return together_at_home(senders, self.conversations)

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        """The same arrivals, each an echo of one 100-byte frame: one frame in, one out, nothing kept."""
        random = Random(self.seed)
        async with Load(stage) as load:
            sockets = [Echo(load.crowd) for _ in range(self.users_for(1))]
            load.crowd.expect(len(sockets))
            await load.dialler.open(sockets, ramp(len(sockets), CONNECT_RATE, CONNECT_RATE))
            await load.crowd.all_told(10, "not open")
            schedule = poisson(self.rate, self.window_s, random)
            picks = [random.choice(sockets) for _ in schedule]
            progress(f"{self.rate:.0f} echoes/s for {self.window_s:.0f} s")
            load.crowd.expect(len(schedule))
            meter = Meter(stage.nodes, stage.stores)
            pacer = Pacer(schedule, lambda k, _: picks[k].send(FRAME))
            await pacer.run()
            await load.crowd.all_told(10, "echo lost")
            figures = meter.per("message", len(schedule))
        return Measured(figures, [], load.faults.lines(), percentile_ms(pacer.lags, 99))

    async def _measure(
        self, load: Load, stage: Stage, senders: Sequence[Sender], rate: float, random: Random, progress: Progress
    ) -> Measured:
        progress(f"{rate:.0f} messages/s for {self.window_s:.0f} s")
        log_before = await self._log(load, stage, senders, random)
        before = await asyncio.to_thread(read_sums, stage)
        traffic, pacer = self._prepare(load, senders, rate, self.window_s, random)
        meter, begun = Meter(stage.nodes, stage.stores, stage.buses), monotonic()
        await pacer.run()
        await traffic.drained(self.drain_s)
        figures, seconds = meter.per("message", len(traffic.acks)), monotonic() - begun
        after = await asyncio.to_thread(read_sums, stage)
        log_after = await self._log(load, stage, senders, random)
        figures.append(Figure("messages acked", "1/s", len(traffic.acks) / seconds, "higher"))
        shares, apart = by_owner(traffic) if stage.ports else ([], [])
        figures += [*batch_figures(before, after), *fsync_figures(log_before, log_after, seconds)]
        return Measured(
            [*figures, *link_figures(before, after, len(traffic.acks)), *shares],
            latency_figures("ack", traffic.acks) + apart + latency_figures("delivery", traffic.deliveries),
            lag_p99_ms=percentile_ms(pacer.lags, 99),
            notes={
                "offered": f"{rate:.0f} messages/s, Poisson",
                "Postgres": log_after.settings,
                "batches by messages": batch_histogram(before, after),
            },
            curves=[distribution("ack", traffic.acks), distribution("delivery", traffic.deliveries)],
        )

    async def _log(self, load: Load, stage: Stage, senders: Sequence[Sender], random: Random) -> Log:
        """What Postgres counted. A backend reports once a second at most, when it has committed: it is made to."""
        if not stage.database:
            return Log(None, "not told")
        await asyncio.sleep(REPORTS_S)
        await self._talk(load, senders, *REPORTING, random)
        return await read_log(stage.database)

    async def _talk(self, load: Load, senders: Sequence[Sender], rate: float, seconds: float, random: Random) -> None:
        traffic, pacer = self._prepare(load, senders, rate, seconds, random)
        await pacer.run()
        await traffic.drained(self.drain_s)

    def _prepare(
        self, load: Load, senders: Sequence[Sender], rate: float, seconds: float, random: Random
    ) -> tuple[Traffic, Pacer]:
        schedule = poisson(rate, seconds, random)
        traffic = Traffic(load.faults, [random.choice(senders) for _ in schedule], overload_is_a_fault=not self.knee)
        return traffic, Pacer(schedule, traffic.arrive)

    async def _below_knee(
        self, load: Load, stage: Stage, senders: Sequence[Sender], random: Random, progress: Progress
    ) -> Measured:
        """The knee, then what latency and CPU are at shares of it."""
        parts = [await self._search(load, senders, random, progress)]
        knee = parts[0].latencies[0].value
        for share in KNEE_SHARES if knee else ():
            one = await self._measure(load, stage, senders, share * knee, random, progress)
            parts.append(_renamed(one, f" at {share:.0%} of the knee"))
        return together(parts)

    async def _search(self, load: Load, senders: Sequence[Sender], random: Random, progress: Progress) -> Measured:
        """Double the rate until it no longer holds, then halve the gap three times."""
        holds, breaks, rate, lags = 0.0, 0.0, self.rate, array("d")
        tried: list[str] = []
        while not breaks or len(tried) < 4 or breaks > 1.15 * holds > 0:
            progress(f"trying {rate:.0f} messages/s")
            traffic, pacer = self._prepare(load, senders, rate, PROBE_S, random)
            began = monotonic()
            await pacer.run()
            await traffic.drained(self.drain_s)
            took = monotonic() - began
            p99 = percentile_ms(traffic.acks, 99)
            kept = p99 <= ACK_BAR_MS and not traffic.refused and took * KEEPS_UP <= PROBE_S + ACK_BAR_MS / 1000
            tried.append(f"{rate:.0f}/s: p99 {p99:.1f} ms {'holds' if kept else 'breaks'}")
            if kept:
                holds, lags = rate, pacer.lags
            else:
                breaks = rate
            if len(load.faults) or len(tried) == 12:
                break
            rate = (holds + breaks) / 2 if breaks else 2 * rate
        knee = Figure(f"knee: most messages with ack p99 ≤ {ACK_BAR_MS:.0f} ms", "1/s", holds, "higher")
        return Measured([], [knee], lag_p99_ms=percentile_ms(lags, 99), notes={"tried": "; ".join(tried)})


class DmAcross(Dm, frozen=True):
    """The same where the two of each conversation are at home on different nodes, and it itself with either of them."""

    name: ClassVar[str] = "dm-across"

    def paired(self, senders: Sequence[Sender]) -> list[tuple[Sender, Sender]]:
        return apart_at_home(senders, self.conversations)


def _renamed(measured: Measured, suffix: str) -> Measured:
    return msgspec.structs.replace(
        measured,
        figures=[msgspec.structs.replace(figure, name=figure.name + suffix) for figure in measured.figures],
        latencies=[msgspec.structs.replace(figure, name=figure.name + suffix) for figure in measured.latencies],
        curves=[msgspec.structs.replace(curve, name=curve.name + suffix) for curve in measured.curves],
        notes={key + suffix: note for key, note in measured.notes.items()},
    )
