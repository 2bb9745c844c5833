"""A control group: a few pairs who talk evenly, to show what a storm does to everybody else."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Self

from bench.load import Load
from bench.measure import Figure, Measured, distribution, latency_figures, percentile_ms
from bench.prepare import befriend
from bench.schedule import Pacer, poisson
from bench.stage import Progress
from bench.wire import User
from bench.workloads.messages import Sender, Traffic

CONNECT_RATE = 500.0
DRAIN_S = 10.0


class Control:
    """Connected pairs; `rate` is the messages per second of all together.

    `times` are the monotonic seconds when each message of the last talk was due and when it was acked.
    """

    def __init__(self, load: Load, senders: Sequence[Sender], rate: float, random: Random) -> None:
        self.senders = senders
        self.times: list[tuple[float, float]] = []
        self._load = load
        self._rate = rate
        self._random = random

    @classmethod
    async def gather(cls, load: Load, users: Sequence[User], rate: float, seed: int, progress: Progress) -> Self:
        """Connect `users`, an even number, each pair after one message each way."""
        senders = [Sender(load.crowd, user, f"device-{user.user}") for user in users]
        await load.connect(senders, CONNECT_RATE)
        pairs = list(zip(senders[::2], senders[1::2], strict=True))
        conversations = await befriend(pairs, progress)
        for one, other in pairs:
            one.meet(other, conversations[one])
        return cls(load, senders, rate, Random(seed))

    async def talk(self, when: str, seconds: float) -> Measured:
        """Ack latencies of Poisson arrivals for `seconds`, named by `when`."""
        schedule = poisson(self._rate, seconds, self._random)
        traffic = Traffic(self._load.faults, [self._random.choice(self.senders) for _ in schedule])
        pacer = Pacer(schedule, traffic.arrive)
        await pacer.run()
        await traffic.drained(DRAIN_S)
        self.times = list(traffic.times())
        name = f"control group's ack {when}"
        return Measured(
            [],
            latency_figures(name, traffic.acks, 50, 99),
            lag_p99_ms=percentile_ms(pacer.lags, 99),
            curves=[distribution(name, traffic.acks)],
        )


def harm(before: Measured, during: Measured) -> Figure:
    """By how much the p99 of the control group rose."""
    return Figure("control group's ack p99, during ÷ before", "", during.latencies[1].value / before.latencies[1].value)
