"""Three nodes of two supervisors on one machine, and what can be done to their processes.

The first supervisor brings Postgres and NATS along and has one node. The two nodes of the second reach both through
proxies, so that they can be cut off.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qs, urlsplit, urlunsplit

from bench.database import address
from bench.process import Process, descendants
from bench.subject import BUS, HOST, NODE, PRIVATE_ABOVE, STORE, Commands, RunError, called, free_port, mint, running
from bench.torture.proxy import Ends, Proxy
from bench.wire import User
from config.settings import load

NODES = 3
BEHIND = 2
EMBEDDED = "tidings serve --embedded --port {port} --data {data}"
EXTERNAL = "tidings serve --config {data}/tidings.toml --nodes {nodes} --port {port} --data {data}"
MINT = "tidings admin mint --prefix {prefix} --users {{users}} --data {{data}}"
SETTINGS = {"TIDINGS_GATEWAY__REQUESTS_PER_S": "100000", "TIDINGS_GATEWAY__BURST": "100000"}
"""Devices here speak more often than people."""

POSTGRES_SOCKET = ".s.PGSQL.5432"
BACK_WITHIN_S = 60.0
ASK_AGAIN_S = 15.0
LOOK_S = 0.1
ALARMS = ("Traceback (most recent call last)", '"level": "error"', '"level": "critical"')
"""What stands in the log of a server that has broken."""


class Cluster:
    """`ports` are those at which clients may connect. What is done to a process that has just ended does nothing."""

    def __init__(self, data: Path, postgres: Proxy, nats: Proxy, database: str, port: int, other: int) -> None:
        self.postgres = postgres
        self.nats = nats
        self.database = database
        self.ports = (port, other, port + 1, other + 1, other + 2)
        self._private = [f"{HOST}:{own + PRIVATE_ABOVE}" for own in (port + 1, other + 1, other + 2)]
        self._data = data
        self._logs = [data.with_suffix(".log"), data.with_suffix(".other.log")]
        self._read = [0, 0]
        self._supervisors: list[int] = []
        self._stopped: list[int] = []

    def attend(self, supervisor: int) -> None:
        """One more supervisor whose processes these are."""
        self._supervisors.append(supervisor)

    def mint(self, users: int, prefix: str) -> tuple[User, ...]:
        """People with tokens. Raises RunError."""
        return mint(Commands(mint=MINT.format(prefix=prefix)), users, self._data, {})

    # -- processes ----------------------------------------------------------------------------------------------

    def _family(self) -> list[Process]:
        return [process for supervisor in self._supervisors for process in descendants(supervisor)]

    def nodes(self) -> list[int]:
        return [process.pid for process in self._family() if NODE in process.command]

    def stores(self) -> list[int]:
        """Postgres: its first process."""
        return list(called(STORE, self._family()))

    def buses(self) -> list[int]:
        return list(called(BUS, self._family()))

    def kill(self, pid: int) -> None:
        _send((pid,), signal.SIGKILL)

    def stop(self, pid: int) -> None:
        """Have it and all below it stand still."""
        stopped = [process.pid for process in descendants(pid)]
        self._stopped += stopped
        _send(stopped, signal.SIGSTOP)

    def go_on(self) -> None:
        """Whatever stood still."""
        stopped, self._stopped = self._stopped, []
        _send(stopped, signal.SIGCONT)

    async def restart_rolling(self) -> None:
        """Both supervisors start their nodes anew. Raises RunError when they do not come back.

        They stop at a node that does not, as one does while Postgres is away, too: then they are asked again.
        """
        before, asked_at = set(self.nodes()), 0.0

        def renewed() -> bool:
            nonlocal asked_at
            nodes = set(self.nodes())
            old = bool(before & nodes)
            if old and monotonic() - asked_at > ASK_AGAIN_S:
                asked_at = monotonic()
                _send(self._supervisors, signal.SIGHUP)
            return not old and len(nodes) == NODES

        await self._until(renewed, "the nodes")

    def ready(self) -> list[str]:
        """The nodes that say so: a process alone may be one that never became a node again."""
        return [address for address in self._private if _is_ready(address)]

    async def whole(self) -> None:
        """All that was killed is there again. Raises RunError when it is not."""
        parts = (
            (self.nodes, NODES, "the nodes"),
            (self.ready, NODES, "the nodes"),
            (self.stores, 1, "Postgres"),
            (self.buses, 1, "NATS"),
        )
        for look, count, name in parts:
            await self._until(lambda look=look, count=count: len(look()) == count, name)  # type: ignore[misc]

    async def _until(self, holds: Callable[[], bool], name: str) -> None:
        try:
            async with asyncio.timeout(BACK_WITHIN_S):
                while not await asyncio.to_thread(holds):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise RunError(f"{name} did not come back within {BACK_WITHIN_S:.0f} s: see {self._logs}") from None

    # -- what they say ------------------------------------------------------------------------------------------

    def alarms(self) -> list[str]:
        """What broke in the servers since this was last asked, by their logs."""
        found = []
        for number, path in enumerate(self._logs):
            with path.open("rb") as log:
                log.seek(self._read[number])
                text = log.read()
            self._read[number] += len(text)
            lines = text.decode("utf-8", "replace").splitlines()
            found += [line for line in lines if any(alarm in line for alarm in ALARMS)]
        return found


@asynccontextmanager
async def started(data: Path) -> AsyncIterator[Cluster]:
    """A cluster in the empty folder `data`, with its logs beside that, until the context ends. Raises RunError."""
    commands = Commands()
    port = free_port(NODES)
    async with AsyncExitStack() as stack:
        words = commands.words(EMBEDDED, port=port, data=data)
        first = await _serving(stack, words, SETTINGS, data.with_suffix(".log"))
        database = address(data)
        settings = load(data / "tidings.toml", {})
        sockets = socket_folder(database) / POSTGRES_SOCKET
        bus = urlsplit(str(settings.nats.url))
        postgres = Proxy(lambda: _open_unix(sockets))
        nats = Proxy(lambda: asyncio.open_connection(bus.hostname, bus.port))
        proxied = SETTINGS | {
            "TIDINGS_POSTGRES__URL": await _listening(stack, postgres, database, "sslmode=disable"),
            "TIDINGS_NATS__URL": await _listening(stack, nats, str(settings.nats.url), ""),
        }
        other = free_port(NODES)
        cluster = Cluster(data, postgres, nats, database, port, other)
        cluster.attend(first.pid)
        words = commands.words(EXTERNAL, port=other, data=data, nodes=BEHIND)
        second = await _serving(stack, words, proxied, data.with_suffix(".other.log"))
        cluster.attend(second.pid)
        try:
            yield cluster
        finally:
            cluster.go_on()
            for proxy in (postgres, nats):
                proxy.free()


async def _serving(
    stack: AsyncExitStack, words: list[str], environment: dict[str, str], log: Path
) -> subprocess.Popen[bytes]:
    context = running(words, environment, log)
    process, _ = await asyncio.to_thread(context.__enter__)

    async def leave() -> None:
        await asyncio.to_thread(context.__exit__, None, None, None)

    stack.push_async_callback(leave)
    return process


async def _listening(stack: AsyncExitStack, proxy: Proxy, url: str, query: str) -> str:
    """The URL of the proxy before what is reached by `url`."""
    server = await asyncio.start_server(proxy.accept, HOST, 0)

    async def leave() -> None:
        server.close()
        await proxy.close()

    stack.push_async_callback(leave)
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    port = server.sockets[0].getsockname()[1]
    return urlunsplit(parts._replace(netloc=f"{user}@{HOST}:{port}", query=query))


def socket_folder(url: str) -> Path:
    """The folder of Postgres' socket, by its URL."""
    return Path(parse_qs(urlsplit(url).query)["host"][0])


async def _open_unix(path: Path) -> Ends:
    return await asyncio.open_unix_connection(path)


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/health/ready", timeout=LOOK_S):
            return True
    except OSError:
        return False


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
