"""The supervisor: one process that starts the embedded services and the nodes of this machine, and keeps them running.

It writes DATA/tidings.toml, the settings of this installation, for its nodes and for commands like `tidings status`.
"""

import asyncio
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import click
import structlog

from config.catalogue import SETTINGS
from config.settings import REQUIRED, SettingError, Settings, load
from config.values import SigningKey
from persistence.durability import check_durability
from persistence.migrate import migrate
from server.embedded import EmbeddedError, EmbeddedPostgres
from server.reach import reaching_postgres

READY_S = 60.0
STOP_S = 15.0
LOOK_S = 0.1
BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 30.0
HIGHEST_PORT = 65_000

log = structlog.get_logger()


class Child:
    """One node process. Its stdin is a pipe that ends with us, so that it never outlives its supervisor."""

    def __init__(self, number: int, arguments: Sequence[str]) -> None:
        self.number = number
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._started = 0.0
        self._not_before = 0.0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        command = [sys.executable, "-m", "server.node", *self._arguments, "--number", str(self.number)]
        # In a session of its own, so that the terminal's Ctrl-C is ours to handle.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._started = time.monotonic()

    async def ready(self) -> None:
        """Return when the node serves. Raises Exit when it ended instead: what is wrong it has said itself."""
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), READY_S)
        except TimeoutError:
            raise click.ClickException(f"The node was not ready within {READY_S:.0f} s: its log says why.") from None
        if line.strip() != b"ready":
            raise click.exceptions.Exit(2)

    def keep_running(self) -> None:
        """Start it again when it has died; more slowly when that keeps happening."""
        if self.alive:
            return
        now = time.monotonic()
        if not self._not_before:
            steady = now - self._started > STEADY_S
            self._failures = 0 if steady else self._failures + 1
            self._not_before = now + BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            assert self._process is not None
            log.warning("node died", node=self.number, status=self._process.returncode)
        if now >= self._not_before:
            self._not_before = 0.0
            self.start()

    async def stop(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Supervisor:
    """`data` is the folder of the embedded services; None: the settings name external ones. `say` prints progress."""

    def __init__(self, settings: Settings, data: Path | None, config: Path | None, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._data = data
        self._config = config
        self._say = say
        self._postgres = EmbeddedPostgres(data) if data else None
        self._children: list[Child] = []
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready`, keep it running until `stop`, then stop it kindly."""
        check_free(self._settings)
        try:
            if await self._started():
                ready()
                await self._watch()
        finally:
            await asyncio.gather(*(child.stop() for child in self._children))
            if self._postgres:
                await self._postgres.stop()

    async def _started(self) -> bool:
        """Start everything; False when that was given up because of `stop`."""
        starting, stopping = asyncio.create_task(self._start()), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.wait((starting, stopping))
        if starting.cancelled():
            return False
        starting.result()
        return True

    async def _start(self) -> None:
        config = await self._prepare()
        self._children = [Child(1, ["--config", str(config)] if config else [])]
        for child in self._children:
            child.start()
            await child.ready()

    async def _prepare(self) -> Path | None:
        if self._postgres is None or self._data is None:
            await migrated(str(self._settings.postgres.url))
            return self._config
        self._say("starting Postgres")
        url = await self._postgres.start()
        await migrated(url)
        config = self._data / "tidings.toml"
        try:
            write_secret(config, settings_file(self._settings, url, token_key(self._data)))
        except OSError as fault:
            raise EmbeddedError(
                f"The data folder {self._data} cannot be used ({fault}): choose another one."
            ) from fault
        return config

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            if self._postgres and not self._postgres.alive():
                log.warning("Postgres died: starting it again")
                await self._postgres.restart()
            for child in self._children:
                child.keep_running()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_S)


async def migrated(url: str) -> None:
    """Bring the database up to date.

    Raises SettingError when it cannot be reached, DurabilityError when it may lose data, MigrationError.
    """
    with reaching_postgres():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            await check_durability(connection)
            await migrate(connection)
        finally:
            await connection.close()


def token_key(data: Path) -> str:
    """The key of this installation, made at the first start. Raises EmbeddedError when it is none any more."""
    file = data / "token.key"
    if not file.exists():
        write_secret(file, "k1:" + base64.b64encode(secrets.token_bytes(32)).decode())
    text = file.read_text("ascii", errors="replace").strip()
    try:
        SigningKey(text)
    except ValueError:
        raise EmbeddedError(
            f"{file} holds no signing key: put the right one back, or remove it, and access tokens are issued anew."
        ) from None
    return text


def settings_file(settings: Settings, url: str, key: str) -> str:
    """What the nodes and the other commands of this installation need to know, as TOML."""
    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    return (
        "# Written at every start of `tidings serve --embedded`.\n"
        f'[node]\nlisten = "{settings.node.listen}"\nprivate = "{settings.node.private}"\n\n'
        f'[postgres]\nurl = "{quoted}"\n\n[tokens]\nkeys = ["{key}"]\n\n[log]\nlevel = "{settings.log.level}"\n'
    )


def write_secret(file: Path, text: str) -> None:
    """Replace a file that only we may read, all at once."""
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)


def check_free(settings: Settings) -> None:
    """Nodes share their port, so a foreign listener would go unnoticed. Raises SettingError when there is one."""
    listen = settings.node.listen
    for address in (listen, listen.at(listen.port + 1), settings.node.private_of(1)):
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address.host, address.port))
            except OSError as fault:
                reason = fault.strerror or str(fault)
                raise SettingError(
                    f"{address} cannot be listened on ({reason}): choose another --port, or another address in "
                    "node.listen (TIDINGS_NODE__LISTEN) or node.private (TIDINGS_NODE__PRIVATE)."
                ) from fault


def load_for(data: Path | None, config: Path | None, overrides: dict[str, object]) -> Settings:
    """The settings of a start; embedded services bring some along, which are filled in later. Raises SettingError."""
    settings = load(config, os.environ, overrides, required=() if data else REQUIRED)
    if data and (settings.postgres.url or settings.tokens.keys):
        name = "postgres.url" if settings.postgres.url else "tokens.keys"
        raise SettingError(f"{SETTINGS[name]} is set, but --embedded brings its own: leave out one of the two.")
    if not 0 < settings.node.listen.port <= HIGHEST_PORT:
        raise SettingError(
            f"{SETTINGS['node.listen']} is {settings.node.listen}: choose a port from 1 to {HIGHEST_PORT}, "
            "since a node takes some above it too."
        )
    return settings


async def supervise(supervisor: Supervisor, settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; one line on stdout when ready."""
    loop = asyncio.get_running_loop()
    for stopping in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stopping, supervisor.stop)
    await supervisor.run(lambda: click.echo(f"tidings is ready at ws://{settings.node.listen}/v1/socket"))
