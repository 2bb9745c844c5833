"""One node: the composition root, where concrete classes meet. `python -m server.node --config FILE [--number I]`.

Prints `ready` on stdout when it serves. Ends on SIGTERM or SIGINT, or when its parent is gone (its stdin
ends), by draining, and with status 2 and one sentence on stderr when a setting is wrong.
"""

import asyncio
import gc
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import click
import structlog
import uvloop
from prometheus_client import generate_latest

from actors.user import User
from actors.user_commands import Policy
from config.settings import SettingError, Settings, load
from persistence.conversations.postgres import PostgresConversations
from persistence.durability import DurabilityError, check_durability
from persistence.faults import UnavailableError
from persistence.people.postgres import PostgresPeople
from persistence.pool import open_pool
from protocol.ids import Millis
from protocol.replies import Limits
from server.committer import Committer
from server.connection import AFTER_HELLO, Connection
from server.gateway import Gateway
from server.host import Host
from server.http.app import make_app
from server.http.private import make_private_app
from server.http.services import Services
from server.kinds import ConversationKind, UserKind
from server.listeners import listen
from server.observe import Metrics, start_logging
from server.passwords import Passwords
from server.population import Population
from server.reach import reaching_postgres
from server.requests import Requests
from server.revocations import Revocations
from server.rings import keep_rings_within
from server.tokens import Caller, Expired, Invalid, Tokens
from server.web import Door, Web

LANES = 2
DRAIN_S = 8.0

log = structlog.get_logger()


def clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def policy_of(settings: Settings) -> Policy:
    gateway = settings.gateway
    limits = Limits(AFTER_HELLO, gateway.requests_per_s, gateway.burst, round(1_000 / max(gateway.typing_ms, 1), 3))
    return Policy(
        gateway.resume_ms,
        gateway.ping_ms,
        gateway.background_ping_ms,
        gateway.send_budget,
        gateway.ring_bytes,
        limits,
    )


class Node:
    """Everything of one node, wired together. `serve` runs it until `stop` is called."""

    def __init__(self, settings: Settings, pools: Sequence[asyncpg.Pool], number: int) -> None:
        questions, *lanes = pools
        self._settings = settings
        self._number = number
        self._stopping = asyncio.Event()
        self.metrics = Metrics()
        people = PostgresPeople(questions)
        conversations = self._conversations = PostgresConversations(questions)
        policy = policy_of(settings)
        keys = [(key.kid, key.secret_bytes) for key in settings.tokens.keys]
        self._tokens = Tokens(keys, settings.tokens.access_s, clock)
        self.committer = Committer([PostgresConversations(lane).commit for lane in lanes], self.metrics)
        self.gateway = Gateway(
            policy=policy,
            origins=frozenset(settings.gateway.origins),
            max_connections=settings.gateway.max_connections,
            hello_ms=settings.gateway.hello_ms,
            typing_ms=settings.gateway.typing_ms,
            verify=self._verify,
            clock=clock,
            now=time.monotonic,
            metrics=self.metrics,
        )
        self.revocations = Revocations(people, self.gateway.revoke, settings.tokens.access_s, time.monotonic)
        users = UserKind(policy, lambda: secrets.token_urlsafe(8), self.gateway.attached)
        self.host = Host(
            Population([ConversationKind(conversations, settings.actors.conversation_idle_ms), users], clock),
            self.gateway,
            self.committer,
            clock,
        )
        self.requests = Requests(self.host, conversations, people, self.gateway.reply)
        self._people = people
        self._passwords = Passwords()
        private = make_private_app(self._ready, self._exposition())
        self.web = Web(make_app(self._services()), private, self.gateway, settings.gateway.max_http)
        self.gateway.join(self.host, self.requests, self.web.take)

    def _services(self) -> Services:
        settings = self._settings
        return Services(
            people=self._people,
            tokens=self._tokens,
            passwords=self._passwords,
            revocations=self.revocations,
            ask=Door(self.gateway, self.requests).ask,
            ready=self._ready,
            clock=clock,
            monotonic=time.monotonic,
            random=secrets.token_bytes,
            refresh_s=settings.tokens.refresh_s,
            origins=self.gateway.origins,
            trusted_proxies=settings.node.trusted_proxies,
        )

    def _verify(self, token: str) -> Caller | Expired | Invalid:
        caller = self._tokens.verify(token, clock())
        return Invalid() if isinstance(caller, Caller) and self.revocations.is_revoked(caller.login) else caller

    def _exposition(self) -> Callable[[], bytes]:
        gauges = self.metrics.gauges
        gauges["tidings_connections"] = ("Open sockets", lambda: len(self.gateway))
        gauges["tidings_actors"] = ("Live activations", lambda: len(self.host.population))
        gauges["tidings_sessions"] = ("Devices here, or away and allowed to resume", self._devices)
        gauges["tidings_mailbox_depth"] = ("Commands in all mailboxes", self.host.population.waiting)
        gauges["tidings_http_connections"] = ("Connections that speak HTTP", lambda: self.web.connections)
        registry = self.metrics.registry()
        return lambda: generate_latest(registry)

    def _devices(self) -> int:
        return sum(actor.devices for actor in self.host.population.actors("user") if isinstance(actor, User))

    async def _ready(self) -> str | None:
        """Why this node cannot do its job, if it cannot."""
        if self._stopping.is_set():
            return "draining"
        try:
            # A commit of nothing: what would fail for a message fails here too.
            await self._conversations.commit([], wait=False)
        except UnavailableError:
            return "Postgres does not answer"
        return None

    def stop(self) -> None:
        self._stopping.set()

    async def serve(self) -> None:
        """Serve until stopped, then drain: refuse new work, finish commits, close sockets in slices."""
        await self.revocations.poll()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work)
                for work in (
                    self.committer.run(),
                    self.requests.run(),
                    self.gateway.wheel.run(),
                    self.revocations.run(),
                    self.metrics.watch_loop(),
                    self.host.population.let_rest(),
                    keep_rings_within(self.host, self._settings.gateway.node_ring_bytes),
                )
            ]
            async with AsyncExitStack() as stack:
                await self._open(stack)
                sys.stdout.write("ready\n")
                sys.stdout.flush()
                await self._stopping.wait()
            try:
                async with asyncio.timeout(DRAIN_S):
                    await self.host.drain()
            except TimeoutError:
                log.warning("drain took too long: stopping all the same")
            await self.gateway.drain()
            self.host.stop()
            for task in tasks:
                task.cancel()

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.callback(self._passwords.close)
        node = self._settings.node
        ports = {node.listen.port, node.listen.port + self._number}
        for port in ports:
            sockets = listen(lambda: Connection(self.gateway), node.listen.host, port, "node.listen")
            await stack.enter_async_context(sockets)
        await stack.enter_async_context(self.web.serving(node.private.host, node.private.port))
        # What lives now lives as long as the node: keep it out of every later collection, and collect rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[list[asyncpg.Pool]]:
    """One pool for questions, and a connection of its own for each lane of the committer."""
    url = str(settings.postgres.url)
    async with AsyncExitStack() as stack:
        sizes = [settings.postgres.connections - LANES, *[1] * LANES]
        with reaching_postgres():
            pools = [await stack.enter_async_context(open_pool(url, size)) for size in sizes]
            async with pools[0].acquire() as connection:
                await check_durability(connection)
        yield pools


async def run(settings: Settings, number: int) -> None:
    """A node from settings to its end."""
    async with connected(settings) as pools:
        node = Node(settings, pools, number)
        loop = asyncio.get_running_loop()
        for stopping in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stopping, node.stop)
        if number:
            loop.add_reader(sys.stdin.fileno(), _watch_parent, node)
        await node.serve()


def _watch_parent(node: Node) -> None:
    if not os.read(sys.stdin.fileno(), 4_096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        node.stop()


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=None)
@click.option("--number", type=int, default=0, help="This node's number, from 1, when a supervisor runs it.")
def main(config: Path | None, number: int) -> None:
    """Run one node."""
    status = 0
    try:
        settings = load(config, os.environ)
        if number:
            settings = load(config, os.environ, {"node.private": settings.node.private_of(number)})
        start_logging(settings.log.level)
        uvloop.run(run(settings, number))
    except* (SettingError, DurabilityError) as faults:
        click.echo(str(faults.exceptions[0]), err=True)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
