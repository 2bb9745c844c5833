"""Start, stop and watch over the embedded Postgres.

In the data folder lie `postgres` (the cluster), `postgres.password`, `postgres.log`, `postgres.lock` and `socket`.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import asyncpg

from persistence.provision import provision
from server.embedded import data_directory, leftovers
from server.embedded.account import Account
from server.embedded.failure import EmbeddedError, using
from server.embedded.service_log import appending, last_words
from server.embedded.socket_folder import SocketFolder

ROLE = DATABASE = "tidings"
SOCKET = ".s.PGSQL.5432"
READY_S = 60.0
"""How long recovery after a crash may take."""

SHUTDOWN = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "jit": "off",
    "statement_timeout": "2s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
    "client_connection_check_interval": "1s",
    # Its DETAIL lines would show the values of rows.
    "log_error_verbosity": "terse",
}


class EmbeddedPostgres:
    """One Postgres server, alive between `start` and `stop` at the latest: it is shut down when this process dies.

    `start` has to be called from a thread that lives as long as the server shall: the kernel ends the server with the
    thread that started it (PR_SET_PDEATHSIG). The object belongs to no event loop. `settings` are added to the
    server's own. Every method that fails raises EmbeddedError.
    """

    label: ClassVar[str] = "Postgres"

    def __init__(self, data: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data = data.absolute()
        self._cluster = self.data / "postgres"
        self._log = self.data / "postgres.log"
        self._settings = SERVER_SETTINGS | dict(settings or {})
        self._password = ""
        self._host = self.data
        self._sockets = SocketFolder(self.data, "socket", SOCKET)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def pid(self) -> int | None:
        """The postmaster's process id."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether the server process runs; false also before `start` and after a crash."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = DATABASE, role: str = ROLE) -> str:
        """How to connect as `role`: "tidings", who owns the database, or "postgres", the superuser."""
        return f"postgresql://{role}:{self._password}@/{quote(database)}?host={quote(str(self._host), safe='')}"

    async def start(self) -> str:
        """Make the cluster if there is none, take down what a killed parent left, start, wait until it answers.

        Returns `url()`.
        """
        try:
            with using(self.data):
                self._claim()
                await self._launch()
        except BaseException:
            await self.stop()
            raise
        return self.url()

    async def restart(self) -> str:
        """Start again, after a crash or while it runs, at the same `url()`: who knows it comes back by himself."""
        if self._lock is None:
            return await self.start()
        try:
            with using(self.data):
                await self._halt()
                self._sockets.empty()
                await self._launch(self._host)
        except BaseException:
            await self.stop()
            raise
        return self.url()

    async def stop(self) -> None:
        """Shut down (fast, then harder) and leave neither process nor socket. Does nothing when nothing runs."""
        if self._lock is None:
            return
        await self._halt()
        self._sockets.close()
        os.close(self._lock)
        self._lock = None

    async def _halt(self) -> None:
        if self._process is not None:
            await leftovers.end(self._process, SHUTDOWN)
            self._process = None
        await leftovers.clear(self._cluster)

    def _claim(self) -> None:
        """Make the folder and hold its lock: two servers must never share a cluster."""
        if not self.data.exists():
            self.data.mkdir(parents=True)
            self.data.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.data = self.data.resolve()
        self._cluster, self._log = self.data / "postgres", self.data / "postgres.log"
        self._sockets = SocketFolder(self.data, "socket", SOCKET)
        lock = os.open(self.data / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EmbeddedError(
                f"Another process uses the data folder {self.data}: stop it, or choose another folder."
            ) from None
        self._lock = lock

    async def _launch(self, host: Path | None = None) -> None:
        """Make what is missing and start; `host` is the folder of the socket if there is one already."""
        account = Account.owning(self._cluster)
        await leftovers.clear(self._cluster)
        fresh = not self._cluster.exists()
        self._password = data_directory.password(self.data / "postgres.password", fresh)
        if fresh:
            await data_directory.make(self._cluster, account, self._password)
        data_directory.check_version(self._cluster)
        self._host = host or self._sockets.open(account)
        begin = self._spawn(account)
        connection = await self._answered(begin)
        try:
            await provision(connection, ROLE, data_directory.verifier(self._password), DATABASE)
        finally:
            await connection.close()

    def _spawn(self, account: Account) -> int:
        """Start the server in a session of its own, so that the terminal's Ctrl-C is ours to handle.

        Returns where in the log this run begins.
        """
        postgres = data_directory.binaries() / "postgres"
        command = [*account.launcher([postgres, self._cluster, self._host / SOCKET]), str(postgres)]
        command += ["-D", str(self._cluster), "-k", str(self._host)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with appending(self._log) as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                command,
                cwd="/",
                env=data_directory.ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return begin

    async def _answered(self, begin: int) -> asyncpg.Connection:
        """The first connection, the superuser's."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if not self.alive():
                raise EmbeddedError(f"Postgres did not start: {last_words(self._log, begin)}")
            if connection := await self._try():
                return connection
            await asyncio.sleep(0.02)
        raise EmbeddedError(f"Postgres was not ready within {READY_S:.0f} s: {last_words(self._log, begin)}")

    async def _try(self) -> asyncpg.Connection | None:
        try:
            return await asyncpg.connect(self.url("postgres", data_directory.ADMIN), timeout=5)
        except asyncpg.InvalidPasswordError:
            raise EmbeddedError(
                f"{self.data / 'postgres.password'} is not the password of this cluster: put the right one back."
            ) from None
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return None
