"""The supervisor: one process that starts the embedded services and the nodes of this machine, and keeps them running.

It writes DATA/tidings.toml, the settings of this installation, for its nodes and for commands like `tidings status`.
"""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import click
import structlog
from msgspec.structs import replace

from config.objects import FOLDER, ObjectsUrl
from config.sections import Nats, Redis
from config.settings import Settings
from config.values import NatsUrl, RedisUrl
from persistence.nodes.contract import NodeStore
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from server.embedded import EmbeddedError, EmbeddedNats, EmbeddedPostgres, EmbeddedValkey, Service
from server.embedded.private_file import write_private
from server.reach import reaching_postgres
from server.supervisor.children import Child
from server.supervisor.installation import migrated, settings_file, token_key
from server.supervisor.rolling_restart import Progress, RollingRestarts, announced, write_progress
from server.supervisor.starting import NATS_ABOVE, check_free

LOOK_S = 0.1
AGAIN_S = 2.0
SPARE_CONNECTIONS = 8
"""Of the embedded Postgres, for each node beside its setting: lease, repairs, connections that are being replaced."""
OTHER_CONNECTIONS = 100
"""For operators and commands."""

log = structlog.get_logger()


class Supervisor:
    """Runs `nodes` nodes. `data` is the folder of the embedded services; None: the settings name external ones.

    `say` prints progress.
    """

    def __init__(
        self, settings: Settings, data: Path | None, config: Path | None, say: Callable[[str], None], nodes: int
    ) -> None:
        self._settings = settings
        self._data = data
        self._config = config
        self._say = say
        self._count = nodes
        self._postgres: EmbeddedPostgres | None = None
        self._nats: EmbeddedNats | None = None
        self._valkey: EmbeddedValkey | None = None
        if data:
            room = OTHER_CONNECTIONS + nodes * (settings.postgres.connections + SPARE_CONNECTIONS)
            self._postgres = EmbeddedPostgres(data, {"max_connections": str(room)})
            if not settings.nats.url:
                self._nats = EmbeddedNats(data, settings.node.listen.port + NATS_ABOVE)
            if not settings.redis.url:
                self._valkey = EmbeddedValkey(data)
        self._children: list[Child] = []
        self._stopping = asyncio.Event()
        self._restarts = RollingRestarts(data)

    def stop(self) -> None:
        self._stopping.set()

    def restart(self) -> None:
        """Start every node anew, one after the other, as soon as all serve; after the one that is under way."""
        self._restarts.ask()

    def heed_signals(self) -> None:
        """From now on SIGTERM and SIGINT stop it, and SIGHUP restarts the nodes one by one."""
        loop = asyncio.get_running_loop()
        for stopping in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stopping, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.restart)

    async def run(self, ready: Callable[[], None]) -> None:
        """Start everything, call `ready`, keep it running until `stop`, then stop it kindly.

        Meanwhile `tidings restart` finds this process by the folder `data`, if there is one.
        Raises SettingError, EmbeddedError, DurabilityError and MigrationError, and what `Child.ready` does.
        """
        check_free(self._settings, self._count, self._nats)
        try:
            async with AsyncExitStack() as stack:
                if leases := await self._started(stack):
                    if self._data:
                        stack.enter_context(announced(self._data))
                    ready()
                    await self._watch(leases)
        finally:
            await asyncio.gather(*(child.stop() for child in self._children))
            for service in (self._valkey, self._nats, self._postgres):
                if service:
                    await service.stop()

    async def _started(self, stack: AsyncExitStack) -> NodeStore | None:
        """Start everything; None when that was given up because of `stop`."""
        starting, stopping = asyncio.create_task(self._start(stack)), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, stopping):
                task.cancel()
            await asyncio.wait((starting, stopping))
        return None if starting.cancelled() else starting.result()

    async def _start(self, stack: AsyncExitStack) -> NodeStore:
        """Returns where the nodes' leases are."""
        config, url = await self._prepare()
        with reaching_postgres():
            leases = PostgresNodes(await stack.enter_async_context(open_pool(url, 1)))
        arguments = ["--listen", str(self._settings.node.listen), *(["--config", str(config)] if config else [])]
        for number in range(1, self._count + 1):
            name = str(self._settings.node.address_of(number))
            self._children.append(Child(number, name, arguments, leases, self._hasten))
        for child in self._children:
            await child.start()
        await asyncio.gather(*(child.ready() for child in self._children))
        return leases

    def _hasten(self) -> None:
        """A node is gone: whoever was at home there is sent nowhere until the others know."""
        for child in self._children:
            child.hasten()

    async def _prepare(self) -> tuple[Path | None, str]:
        """The settings file for the nodes, and the URL of a database that is up to date."""
        if self._postgres is None or self._data is None:
            url = str(self._settings.postgres.url)
            await migrated(url)
            return self._config, url
        services = [service.label for service in (self._postgres, self._nats, self._valkey) if service]
        self._say("starting " + ", ".join(services))
        url = await self._postgres.start()
        settings = self._settings
        if self._nats:
            settings = replace(settings, nats=Nats(url=NatsUrl(await self._nats.start())))
        if self._valkey:
            settings = replace(settings, redis=Redis(url=RedisUrl(await self._valkey.start())))
        if settings.objects.url == FOLDER:
            settings = replace(
                settings, objects=replace(settings.objects, url=ObjectsUrl(str(self._data.resolve() / "objects")))
            )
        await migrated(url)
        config = self._data / "tidings.toml"
        try:
            write_private(config, settings_file(settings, url, token_key(self._data)))
            write_progress(self._data, Progress(0, self._count, ended=True))
        except OSError as fault:
            raise EmbeddedError(
                f"The data folder {self._data} cannot be used ({fault}): choose another one."
            ) from fault
        return config, url

    async def _watch(self, leases: NodeStore) -> None:
        """Keep everything running until `stop`. Raises what a service raised that cannot be kept."""
        work = [self._restarts.run(self._children, leases), *(child.keep() for child in self._children)]
        if self._postgres:
            work.append(_keep_postgres(self._postgres))
        work += [_keep(service) for service in (self._nats, self._valkey) if service]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one) for one in work]
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as faults:
            raise faults.exceptions[0] from None


async def _keep_postgres(postgres: EmbeddedPostgres) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        if not postgres.alive():
            log.warning("Postgres died: starting it again")
            await postgres.restart()


async def _keep(service: Service) -> None:
    """Nodes go on without it, so that it does not start again ends nothing."""
    while True:
        await asyncio.sleep(LOOK_S)
        if service.alive():
            continue
        log.warning(f"{service.label} died: starting it again")
        try:
            await service.restart()
        except EmbeddedError as fault:
            log.warning(f"{service.label} did not start again", reason=str(fault))
            await asyncio.sleep(AGAIN_S)


async def supervise(supervisor: Supervisor, settings: Settings) -> None:
    """Run until a signal says otherwise; one line on stdout when ready."""
    supervisor.heed_signals()
    await supervisor.run(lambda: click.echo(f"tidings is ready at ws://{settings.node.listen}/v1/socket"))
