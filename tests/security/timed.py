"""A node in this process whose time a test may move on: real sockets, host, actors and gateway on stores in memory."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench.subject import free_port
from config.sections import Gateway as Granted
from persistence.conversations.database import Database, Fault, no_fault
from persistence.conversations.memory import MemoryConversations
from persistence.nodes.contract import Life
from persistence.nodes.memory import Leases, MemoryNodes
from persistence.people.contract import NewAccount, Refresh
from persistence.people.memory import MemoryPeople
from protocol.ids import EPOCH, Millis, UserId
from server.cluster.cluster import Cluster
from server.committer import Committer
from server.connection import Connection
from server.gateway import Gateway
from server.host import Host
from server.http import make_app
from server.kinds import ConversationKind, UserKind
from server.listeners import listen
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from server.tokens import Tokens
from server.web import Web
from tests.server.http.stack import Stack
from tests.until import until

ROUNDS = 12
"""Turns of the loop in which everything is done that a timer and its consequences do."""


class Clock:
    """The running loop's time; moving it on makes every timer due that lies between."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.time
        self._ahead = 0.0
        setattr(loop, "time", self.now)  # noqa: B010  the type says that methods are not assigned to

    def now(self) -> float:
        return self._real() + self._ahead

    def millis(self) -> Millis:
        return Millis(EPOCH + round(self.now() * 1_000))

    async def pass_(self, seconds: float) -> None:
        """Second by second, so that what is due at one of them is done before the next one."""
        for _ in range(round(seconds)):
            self._ahead += 1
            for _ in range(ROUNDS):
                await asyncio.sleep(0)


class Timed:
    """`settings` are those of the gateway, and how many `actors` there may be; `fault` strikes the store."""

    def __init__(self, fault: Fault = no_fault, **settings: Any) -> None:
        self.clock = Clock()
        most = settings.pop("actors", 1_000)
        self.metrics = Metrics(self.clock.now)
        self._tokens = Tokens([("k1", b"k" * 32)], 900, self.clock.millis)
        self._people = MemoryPeople(self.clock.millis, random.Random(1))
        self._database = database = Database(self.clock.millis)
        self._users: list[UserId] = []
        store = MemoryConversations(database, fault)
        committer = Committer([store.commit], self.metrics)
        granted: dict[str, Any] = {
            "max_connections": 100,
            "typing_ms": 0,
            "send_budget": 64 * 1024,
            "requests_per_s": 5_000,
            "burst": 10_000,
        }
        self.gateway = Gateway(
            Granted(**granted | settings),
            frozenset(),
            lambda token: self._tokens.verify(token, self.clock.millis()),
            self.clock.millis,
            self.clock.now,
            self.metrics,
        )
        users = UserKind(self.gateway.policy, lambda: f"epoch {next(self._epochs)}", self.gateway.attached)
        kinds = ConversationKind(store), users
        self._epochs = iter(range(1_000))
        leases = MemoryNodes(database, Leases(), lambda _: None)
        here = Life("a life", "here", "", "", "")
        cluster = Cluster(here, leases, store, self.gateway, self.gateway.load, self.clock.now)
        router = cluster.router
        self.host = Host(Population(kinds, self.clock.millis, most), router, committer, self.clock.millis)
        self.requests = Requests(router.tell, store, self._people, router.reply)
        router.join(self.host, self.requests)
        stack = Stack()
        self._web = Web(make_app(stack.services), make_app(stack.services), self.gateway, most=10)
        self.gateway.join(self.host, self.requests, cluster.membership.home, self._web.take)
        self._works = (committer.run, self.requests.run, self.gateway.wheel.run)
        self.port = 0

    async def sign_up(self, name: str) -> tuple[UserId, str]:
        """A new user, who follows and is followed by all others, and a token."""
        signed_in = await self._people.sign_up(NewAccount(name), Refresh(name.encode(), name.encode()), None)
        assert signed_in is not None
        for other in self._users:
            self._database.tables.follows |= {(signed_in.user, other), (other, signed_in.user)}
        self._users.append(signed_in.user)
        return signed_in.user, self._tokens.issue(signed_in.user, signed_in.login)

    async def until_open(self, sockets: int) -> None:
        """Return when there are no more sockets than that."""
        await until(lambda: len(self.gateway) <= sockets)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Timed"]:
        self.port = free_port()
        sockets = listen(lambda: Connection(self.gateway), "127.0.0.1", self.port, "node.listen")
        async with sockets, self._web.serving("127.0.0.1", 0), asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in self._works]
            yield self
            self.host.stop()
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def timed(fault: Fault = no_fault, **settings: Any) -> AsyncIterator[Timed]:
    async with Timed(fault, **settings).serving() as node:
        yield node
