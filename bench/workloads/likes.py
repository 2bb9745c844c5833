"""likes: one post that everybody likes, takes it back and says it again, over HTTP; answers and totals are verified."""

from __future__ import annotations

import asyncio
from array import array
from random import Random
from time import monotonic
from typing import ClassVar

import asyncpg
import msgspec

from bench.database import Liking, folded_likes, waiting_for_locks
from bench.http import Line, request
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms
from bench.posts import seed_posts
from bench.schedule import Pacer, steady
from bench.stage import Progress, Stage

LINES = 400
"""Connections: fewer than a node takes, shared by all people."""
LOOK_S = 0.1
FOLDED_WITHIN_S = 10.0
ANSWERED_WITHIN_S = 15.0
RETRIED, TAKEN_BACK = 0.1, 0.3
"""Of what is asked, what is said again before it was answered; of the rest of one person's deeds, how many are unlikes
where there is a like."""


class _Marks(msgspec.Struct):
    liked: bool


class _Person:
    """Somebody whose deeds come one after the other. `wanted` is what they did last, with `under_way` unanswered."""

    def __init__(self, token: str, post: str) -> None:
        path = f"/v1/posts/{post}/like"
        self.requests = {True: request("PUT", path, token), False: request("DELETE", path, token)}
        self.wanted = False
        self.under_way = 0
        self.later: list[tuple[float, bool]] = []


class Likes(msgspec.Struct, frozen=True):
    """`requests` of `people` in `seconds`: likes, a third of them taken back, a tenth sent twice at once."""

    requests: int = 100_000
    people: int = 1_000
    seconds: float = 60.0
    seed: int = 1

    name: ClassVar[str] = "likes"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = True

    def users_for(self, nodes: int) -> int:
        return self.people + 1

    def quick(self) -> Likes:
        return msgspec.structs.replace(self, requests=min(self.requests, 8_000), seconds=min(self.seconds, 5.0))

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        connection = await asyncpg.connect(stage.database)
        ports = stage.ports or (stage.port,)
        lines = [await Line.open(stage.host, ports[k % len(ports)]) for k in range(LINES)]
        try:
            [post] = await seed_posts(connection, [stage.users[-1].user], 1)
            run = _Run(self, lines, [_Person(user.access_token, post) for user in stage.users[:-1]])
            meter = Meter(stage.nodes, stage.stores, stage.buses)
            begun = monotonic()
            await run.go(stage.database, progress)
            took = monotonic() - begun
            figures = meter.per("like", self.requests)
            fold_s, liking = await _folded(connection, post)
        finally:
            for line in lines:
                line.close()
            await connection.close()
        figures += [
            Figure("likes and unlikes answered", "1/s", len(run.latencies) / took, "higher"),
            Figure("statements waiting for a lock, most at once", "", float(run.locks), "neither"),
            Figure("total right after the last answer", "s", fold_s),
        ]
        return Measured(
            figures,
            latency_figures("answer", run.latencies),
            faults=run.faults(liking),
            lag_p99_ms=percentile_ms(run.pacer.lags, 99),
            notes={"liked in the end by": f"{liking.edges}, as the folded total says"},
            curves=[distribution("answer", run.latencies)],
        )


class _Run:
    """One schedule, kept. `locks` are the most statements that waited for a lock at one look."""

    def __init__(self, shape: Likes, lines: list[Line], people: list[_Person]) -> None:
        self.latencies = array("d")
        self.wrong: dict[str, int] = {}
        self.locks = 0
        self._lines = lines
        self._people = people
        self._random = Random(shape.seed)
        self._next_line = 0
        schedule = steady(shape.requests / shape.seconds, shape.seconds)
        self.pacer = Pacer(schedule, self._due)
        self._scheduled = len(schedule)
        self._all = asyncio.Event()
        self._again: tuple[_Person, bool] | None = None

    async def go(self, database: str, progress: Progress) -> None:
        """Ask everything, until all is answered. Raises TimeoutError."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch_locks(database))
            shown = group.create_task(self._show(progress))
            await self.pacer.run()
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                await self._all.wait()
            watching.cancel()
            shown.cancel()

    def faults(self, liking: Liking) -> list[str]:
        wanted = sum(person.wanted for person in self._people)
        counts = {"people who like it": liking.edges, "folded total": liking.total, "total with changes": liking.exact}
        found = [f"{name}: {count} instead of {wanted}" for name, count in counts.items() if count != wanted]
        return found + [f"{count} times: {what}" for what, count in self.wrong.items()]

    def _due(self, k: int, due: float) -> None:
        """A tenth of the schedule goes to the same person at once: a retry that overtakes its first."""
        if self._again:
            self._say(*self._again, due)
            self._again = None
            return
        person = self._people[self._random.randrange(len(self._people))]
        on = not (person.wanted and self._random.random() < TAKEN_BACK)
        if person.under_way:
            person.later.append((due, on))
            return
        person.wanted = on
        self._say(person, on, due)
        if self._random.random() < RETRIED:
            self._again = person, on

    def _say(self, person: _Person, on: bool, due: float) -> None:
        person.under_way += 1
        self._next_line = (self._next_line + 1) % len(self._lines)
        self._lines[self._next_line].ask(
            person.requests[on], lambda status, body: self._answered(person, on, due, status, body)
        )

    def _answered(self, person: _Person, on: bool, due: float, status: int, body: bytes) -> None:
        person.under_way -= 1
        if status != 200:
            self.wrong[f"status {status}"] = self.wrong.get(f"status {status}", 0) + 1
        elif msgspec.json.decode(body, type=_Marks).liked is not on:
            self.wrong["wrong state"] = self.wrong.get("wrong state", 0) + 1
        else:
            self.latencies.append(monotonic() - due)
        if len(self.latencies) + sum(self.wrong.values()) == self._scheduled:
            self._all.set()
        if person.later and not person.under_way:
            then, next_on = person.later.pop(0)
            person.wanted = next_on
            self._say(person, next_on, then)

    async def _watch_locks(self, database: str) -> None:
        connection = await asyncpg.connect(database)
        try:
            while True:
                self.locks = max(self.locks, await waiting_for_locks(connection))
                await asyncio.sleep(LOOK_S)
        finally:
            connection.terminate()

    async def _show(self, progress: Progress) -> None:
        while True:
            progress("liking", len(self.latencies), self._scheduled)
            await asyncio.sleep(1.0)


async def _folded(connection: asyncpg.Connection, post: str) -> tuple[float, Liking]:
    """Seconds until the folded total was right, and what it is."""
    begun = monotonic()
    liking = await folded_likes(connection, post)
    while liking.total != liking.edges and monotonic() < begun + FOLDED_WITHIN_S:
        await asyncio.sleep(LOOK_S / 2)
        liking = await folded_likes(connection, post)
    return monotonic() - begun, liking
