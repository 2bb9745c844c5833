"""The pipeline of this node: as many lanes as it has workers, each with one picture at a time. Which ones, the table
says, which all nodes share: whoever comes first has a picture for as long as it goes on saying so."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import structlog

from persistence.faults import UnavailableError
from persistence.media.postgres import Claimed, Outcome, PostgresMedia, Steps
from protocol.media import MediaId
from server.media.steps import LEASE_MS, FaultyError, OvertakenError, Processing, RejectedError
from server.media.workers import Confines, Worker
from server.outage import Outage

POLL_S = 0.5
"""How often a lane looks that nobody has woken."""
ATTEMPTS = 5
"""How often a picture is begun that fails again and again."""
WAITS_MS = (500, 2_000, 8_000, 30_000)
"""Between two attempts; with the first one also when a store is away."""
LOOK_S = 10.0

log = structlog.get_logger()


class Pipeline:
    """`workers` lanes; none leaves pictures to other nodes. `wake` hastens what has just become due."""

    def __init__(self, store: PostgresMedia, processing: Processing, workers: int, confines: Confines) -> None:
        self.workers = [Worker(confines) for _ in range(workers)]
        self.figures = processing.figures
        self._store = store
        self._processing = processing
        self._woken = [asyncio.Event() for _ in self.workers]
        self._draining = False
        self._held: dict[MediaId, Claimed] = {}
        self._keeping = Outage("pictures that are here cannot be kept")
        self._looking = Outage("how many pictures wait is not known")

    def wake(self) -> None:
        """A picture has come in here."""
        for woken in self._woken:
            woken.set()

    def drain(self) -> None:
        """Begin nothing more; what is under way is finished unless it is cancelled before."""
        self._draining = True

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run, each until cancelled."""
        lanes = [self._lane(worker, woken) for worker, woken in zip(self.workers, self._woken, strict=True)]
        return [*lanes, self._keep(), self._look()] if lanes else []

    async def _lane(self, worker: Worker, woken: asyncio.Event) -> None:
        outage = Outage("pictures cannot be processed")
        try:
            while True:
                woken.clear()
                if not self._draining and await self._once(worker, outage):
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await woken.wait()
        finally:
            await worker.close()

    async def _once(self, worker: Worker, outage: Outage) -> bool:
        """Whether there was something to do."""
        try:
            await worker.start()
            job = await self._store.claim(LEASE_MS)
            if job is not None:
                await self._process(job, worker)
        except Exception as fault:
            # What ends a lane ends the node; a picture that was claimed waits until its lease is over.
            outage.goes_on(fault, stack=not isinstance(fault, UnavailableError | OSError))
            return False
        outage.is_over()
        return job is not None

    async def _process(self, job: Claimed, worker: Worker) -> None:
        # Whoever is overtaken while it writes, by a pause, leaves what others may have removed before.
        try:
            await self._attempt(job, worker)
        except Exception:
            await self._store.again(job)
            raise
        await self._store.again(job)

    async def _attempt(self, job: Claimed, worker: Worker) -> None:
        try:
            await self._go_on(job, worker)
        except OvertakenError:
            log.warning("another node has taken over a picture", media=job.media)
        except RejectedError as rejection:
            await self._reject(job, str(rejection))
        except FaultyError as fault:
            await self._fail(job, str(fault))
        except UnavailableError:
            # Not the picture's fault; and if this cannot be said either, its lease ends.
            await self._store.postpone(job, WAITS_MS[0], None)
            raise
        except Exception as bug:
            # Whatever it is, it costs this picture an attempt, and the others nothing.
            log.exception("a bug in the way of a picture", media=job.media)
            await self._fail(job, f"bug: {type(bug).__name__}")

    async def _go_on(self, job: Claimed, worker: Worker) -> None:
        if job.state == "processing" and job.attempts > ATTEMPTS:
            raise RejectedError(f"failed: {job.reason or 'begun too often'}")
        self._held[job.media] = job
        try:
            await self._processing.go_on(job, worker)
        finally:
            del self._held[job.media]

    async def _keep(self) -> None:
        """Say of the pictures that are here that they are."""
        while True:
            await asyncio.sleep(LEASE_MS / 3_000)
            for job in list(self._held.values()):
                with self._keeping.noted():
                    await self._store.record(job, Steps(), LEASE_MS)

    async def _reject(self, job: Claimed, reason: str) -> None:
        log.debug("a picture is rejected", media=job.media, reason=reason)
        with suppress(OvertakenError):
            await self._processing.settle(job, Outcome("rejected", reason))

    async def _fail(self, job: Claimed, fault: str) -> None:
        self._processing.figures.faults[fault.partition(":")[0]] += 1
        log.warning("a step for a picture failed", media=job.media, attempt=job.attempts, fault=fault)
        if job.state == "processing" and job.attempts >= ATTEMPTS:
            await self._reject(job, f"failed: {fault}")
            return
        wait_ms = WAITS_MS[min(job.attempts, len(WAITS_MS)) - 1]
        await self._store.postpone(job, wait_ms, fault)

    async def _look(self) -> None:
        while True:
            with self._looking.noted():
                self._processing.figures.waiting = await self._store.waiting()
            await asyncio.sleep(LOOK_S)
