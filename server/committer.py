"""The committer: makes what many actors decided durable in one round trip, and tells each what became of it.

    submit ──► queue ──► lane (one connection) ── one statement ──► committed ─► done
                 ▲         │  takes all that waits; no timer          lost, known, unknown ─► done: reload
                 └─────────┘  while one statement runs, the next      skipped ─► again alone, waiting for the lock
                              batch gathers by itself                 data fault ─► halves; alone: poison ─► done

Why batches: a statement of 20 messages costs 2.3 times what a statement of one costs, one of 100 six times
(docs/performance.md).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

import structlog

from persistence.conversations.contract import DataFault, Outcome
from server.observe import Metrics

Answer = Literal["committed", "lost", "known", "unknown", "poison"]
Done = Callable[[Answer], None]

MOST = 256
WITHIN_S = 2.0

log = structlog.get_logger()


class Write(Protocol):
    """One statement for all units; one outcome each, in order."""

    async def __call__(self, units: Sequence[Any], *, wait: bool) -> list[Outcome]: ...


class Committer:
    """One lane per `write`: each is a connection of its own. `run` serves until it is cancelled."""

    def __init__(self, lanes: Sequence[Write], metrics: Metrics) -> None:
        self._lanes = lanes
        self._metrics = metrics
        self._queue: deque[tuple[Any, Done]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()

    def submit(self, unit: Any, done: Done) -> None:
        """Queue a unit; `done` is called once with what became of it."""
        self._queue.append((unit, done))
        while self._idle:
            lane = self._idle.popleft()
            if not lane.done():
                lane.set_result(None)
                break

    async def run(self) -> None:
        """Serve all lanes until cancelled; a unit under way is then left without its answer."""
        async with asyncio.TaskGroup() as group:
            for write in self._lanes:
                group.create_task(self._serve(write))

    async def _serve(self, write: Write) -> None:
        while True:
            while not self._queue:
                lane = asyncio.get_running_loop().create_future()
                self._idle.append(lane)
                await lane
            batch = self._take()
            with self._metrics.commit(len(batch)):
                await self._commit(write, batch)

    def _take(self) -> list[tuple[Any, Done]]:
        """What waits, in order; of one address only the first, as a reloaded actor's row may wait behind a void one."""
        batch: dict[Any, tuple[Any, Done]] = {}
        later = []
        while self._queue and len(batch) < MOST:
            unit, done = self._queue.popleft()
            if unit.id in batch:
                later.append((unit, done))
            else:
                batch[unit.id] = unit, done
        self._queue.extendleft(reversed(later))
        return list(batch.values())

    async def _commit(self, write: Write, batch: Sequence[tuple[Any, Done]]) -> None:
        """Write the batch; halves of it when the database refuses its data, down to the one at fault."""
        answers = await self._write(write, [unit for unit, _ in batch], wait=False)
        if answers is None:
            if len(batch) == 1:
                batch[0][1]("poison")
                return
            middle = len(batch) // 2
            await self._commit(write, batch[:middle])
            await self._commit(write, batch[middle:])
            return
        skipped = []
        for (unit, done), answer in zip(batch, answers, strict=True):
            if answer == "skipped":
                skipped.append((unit, done))
            else:
                done(answer)
        for unit, done in skipped:
            alone = await self._write(write, [unit], wait=True)
            done(alone[0] if alone else "poison")

    async def _write(self, write: Write, units: Sequence[Any], *, wait: bool) -> list[Any] | None:
        """Outcomes in order; `unknown` for all when the answer did not come; None for a data fault."""
        try:
            async with asyncio.timeout(WITHIN_S):
                return list(await write(units, wait=wait))
        except DataFault as fault:
            log.warning("commit refused", units=len(units), fault=str(fault))
            return None
        except Exception as fault:
            log.warning("commit outcome unknown", units=len(units), fault=repr(fault))
            return ["unknown"] * len(units)
