"""presence: what it costs to tell those who watch somebody that they come and go."""

from __future__ import annotations

import asyncio
from random import Random
from typing import ClassVar

import msgspec

from bench.client import Client, RefusedError
from bench.database import follow_each_other
from bench.load import SOCKETS_PER_PROCESS, Load
from bench.measure import Figure, Measured, percentile_ms
from bench.metrics import read_sums
from bench.prepare import for_each
from bench.process import cpu_seconds, tree_cpu_seconds
from bench.schedule import Pacer, steady
from bench.stage import Progress, Stage

CHURN_PER_MINUTE = 0.02
TOLD = "tidings_presence_told_total"
SEEN = "tidings_presence_seen_total"
REWRITTEN_S = 60.0
"""A node writes everything again so often: a window holds whole rounds of that, or it would count in one alone."""


class Presence(msgspec.Struct, frozen=True):
    """`connections` users who each watch `watched` others that follow them back; of them 2 % a minute come or go.

    First a quiet window, then one with churn, both of `window_s`: a change costs what the second took beyond the first.
    """

    connections: int = 10_000
    watched: int = 50
    window_s: float = 60.0
    rate: float = 1_500.0
    seed: int = 1
    raised: dict[str, str] = {}

    name: ClassVar[str] = "presence"
    needs_disk: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.watched < self.connections <= SOCKETS_PER_PROCESS:
            raise ValueError(f"more connections than each watches, and at most {SOCKETS_PER_PROCESS}")

    def users_for(self, nodes: int) -> int:
        return self.connections

    def quick(self) -> Presence:
        return msgspec.structs.replace(self, connections=2_000, window_s=REWRITTEN_S / 4)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        people = [user.user for user in stage.users]
        await follow_each_other(stage.database, people, self.watched)
        async with Load(stage) as load:
            clients = [Client(load.crowd, user, f"device-{user.user}") for user in stage.users]
            progress(f"{len(clients)} connections", 0, len(clients))
            await load.connect(clients, self.rate)
            await self._watch(clients, people, progress)
            progress(f"quiet for {self.window_s:.0f} s")
            before = self._cpu(stage)
            await asyncio.sleep(self.window_s)
            quiet = self._since(stage, before)
            told, before = await asyncio.to_thread(read_sums, stage), self._cpu(stage)
            progress(f"people come and go for {self.window_s:.0f} s")
            async with asyncio.TaskGroup() as asking:
                pacer = self._churn(clients, asking)
                await pacer.run()
            # What was held back for the sake of its interval comes by then.
            await asyncio.sleep(2)
            busy = self._since(stage, before)
            after = await asyncio.to_thread(read_sums, stage)
            grown = {name: after.get(name, 0.0) - told.get(name, 0.0) for name in (TOLD, SEEN)}
            measured = self._figures(quiet, busy, grown, len(pacer.lags))
            measured.faults, measured.lag_p99_ms = load.faults.lines(), percentile_ms(pacer.lags, 99)
            return measured

    async def _watch(self, clients: list[Client], people: list[str], progress: Progress) -> None:
        places = {client: place for place, client in enumerate(clients)}

        async def watch(client: Client) -> None:
            place = places[client]
            users = [people[(place + step) % len(people)] for step in range(1, self.watched + 1)]
            try:
                await client.ask("presence.watch", users=users)
            except RefusedError as refused:
                client.crowd.faults.add("watch refused", refused.code)

        await for_each(clients, watch, progress, "everybody watches")

    def _churn(self, clients: list[Client], asking: asyncio.TaskGroup) -> Pacer:
        """Now one goes to the background, now another or the same one comes back."""
        drawn, away = Random(self.seed), set[int]()

        def send(k: int, due: float) -> None:
            place = drawn.randrange(len(clients))
            on = place not in away
            away.symmetric_difference_update((place,))
            asking.create_task(clients[place].ask("background", on=on))

        return Pacer(steady(len(clients) * CHURN_PER_MINUTE / 60, self.window_s), send)

    def _cpu(self, stage: Stage) -> tuple[float, float]:
        return cpu_seconds(stage.nodes), tree_cpu_seconds(stage.stores)

    def _since(self, stage: Stage, before: tuple[float, float]) -> tuple[float, float]:
        node, store = self._cpu(stage)
        return node - before[0], store - before[1]

    def _figures(
        self, quiet: tuple[float, float], busy: tuple[float, float], grown: dict[str, float], changes: int
    ) -> Measured:
        node, store = (1e6 * (after - before) / changes for before, after in zip(quiet, busy, strict=True))
        suppressed = 100 * (1 - grown[TOLD] / max(grown[SEEN], 1))
        return Measured([
            Figure("CPU per change", "µs", node),
            Figure("Postgres CPU per change", "µs", store),
            Figure("told per change", "", grown[TOLD] / changes, "neither"),
            Figure("suppressed", "%", suppressed, "neither"),
            Figure("CPU while quiet", "ms/s", 1e3 * quiet[0] / self.window_s),
        ])  # fmt: skip
