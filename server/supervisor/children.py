"""A node process as its supervisor sees it: started, ready, dead, started again after a pause, stopped kindly."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress

import click
import structlog

from persistence.faults import UnavailableError
from persistence.nodes.contract import NodeStore

READY_S = 60.0
STOP_S = 15.0
BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0

log = structlog.get_logger()


class Child:
    """One node process, with a lease in `leases` under `name`, which ends with it; then `bereaved` is called.

    Its stdin is a pipe that ends with us, so that it never outlives its supervisor.
    """

    def __init__(
        self, number: int, name: str, arguments: Sequence[str], leases: NodeStore, bereaved: Callable[[], None]
    ) -> None:
        self.number = number
        self._name = name
        self._arguments = arguments
        self._leases = leases
        self._bereaved = bereaved
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._failures = 0
        self._started = 0.0

    async def start(self) -> None:
        """Start the process; whether it serves is told by `ready`."""
        command = [sys.executable, "-m", "server.node", *self._arguments, "--number", str(self.number)]
        # In a session of its own, so that the terminal's Ctrl-C is ours to handle.
        self._process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        self._started = time.monotonic()

    async def ready(self) -> None:
        """Return when the node serves.

        Raises Exit when it ended instead, having said itself what is wrong, and ClickException when it takes too long.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise click.ClickException(
                f"Node {self.number} was not ready within {READY_S:.0f} s: its log says why."
            ) from None
        if line.strip() != b"ready":
            raise click.exceptions.Exit(2)

    async def keep(self) -> None:
        """Start it again whenever it dies, more slowly when that keeps happening; until cancelled."""
        while True:
            assert self._process is not None
            died = self._process
            status = await died.wait()
            async with self._turn:
                if self._process is not died:
                    continue
                log.warning("node died", number=self.number, status=status)
                await self._end_lease()
                await asyncio.sleep(self._pause())
                await self.start()

    def hasten(self) -> None:
        """Have the node look at once who is a member, without NATS, which has no word of ours."""
        if self._process is not None and self._process.returncode is None and self._process.stdin is not None:
            self._process.stdin.write(b"\n")

    async def restart(self) -> None:
        """Stop it kindly and start another one in its place. Raises as `ready` does."""
        async with self._turn:
            await self.stop()
            await self._end_lease()
            await self.start()
            await self.ready()

    async def stop(self) -> None:
        """Let the node drain, and kill it when that takes too long. Returns when the process has ended."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _pause(self) -> float:
        steady = time.monotonic() - self._started > STEADY_S
        self._failures = 0 if steady else self._failures + 1
        return BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]

    async def _end_lease(self) -> None:
        """Nobody has to wait for the lease of a process that is seen to be dead."""
        try:
            await self._leases.remove(self._name)
            self._bereaved()
        except UnavailableError:
            log.warning("Postgres is away: the node's lease has to run out", number=self.number)
