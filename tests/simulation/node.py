"""One simulated node: the real host, committer, cluster and requests; only the sockets and the bus are simulated."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from actors.effects import Address, user_address
from actors.effects import Asked as Request
from actors.stream import Numbered
from actors.user import User
from actors.user_commands import Reattach, Report
from persistence.conversations.contract import Outcome
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from persistence.faults import UnavailableError
from persistence.nodes.contract import Life
from persistence.nodes.memory import Leases, MemoryNodes
from persistence.people.contract import PeopleStore
from protocol.codec import Encoded
from protocol.errors import DRAINING, OVERLOADED, Close
from protocol.ids import Millis, UserId
from protocol.replies import Result
from server.cluster.cluster import Cluster
from server.cluster.membership import Evicted
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind, UserKind
from server.load import Load
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from tests.simulation.bus import Exchange
from tests.simulation.faults import Crashing, CrashingKind, Statements, Weather, Wire
from tests.simulation.network import Connection
from tests.simulation.plan import Plan
from tests.simulation.process import Process


class Ground(msgspec.Struct):
    """What all nodes stand on. `find` gives the node that lives as this incarnation, or lived as it."""

    database: Database
    leases: Leases
    people: PeopleStore
    exchange: Exchange
    weather: Weather
    plan: Plan
    find: Callable[[str], "Node | None"]

    def supervisor(self) -> MemoryNodes:
        """The store as whoever starts nodes has it."""
        return MemoryNodes(self.database, self.leases, self.cut_off)

    def cut_off(self, incarnation: str) -> None:
        """End what a life has running in the database."""
        if node := self.find(incarnation):
            node.statements.cut_off()


class Sockets:
    """What server/gateway.py is to the host: replies and deliveries go to connections."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self.connections.values()))

    def reply(self, request: Request, result: Result) -> None:
        if connection := self.connections.get(request.connection):
            connection.reply(request.id, result)

    def write(self, audience: tuple[Address, ...], body: Numbered | Encoded) -> None:
        for address in audience:
            connection = self.connections.get(int(address.key))
            if connection and connection.open:
                connection.send(body)

    def tell(self, address: Address, command: Any) -> None:
        connection = self.connections.get(int(address.key))
        if connection is None:
            return
        match command:
            case Close():
                connection.close(command)
            case Report():
                connection.report()

    def attached(self, user: UserId) -> list[Reattach]:
        mine = [one for one in self if one.open and one.user == user]
        for connection in mine:
            if not connection.synced:
                connection.close(OVERLOADED)
        return [Reattach(one.number, one.device, one.background) for one in mine if one.synced]


class Lane:
    """A lane of the committer that minds the contract: one unit per conversation in a statement."""

    def __init__(self, store: MemoryConversations) -> None:
        self._store = store

    async def __call__(self, units: Sequence[Any], *, wait: bool) -> list[Outcome]:
        if len({unit.id for unit in units}) < len(units):
            context = {"message": "one statement has two units of one conversation"}
            asyncio.get_running_loop().call_exception_handler(context)
        return await self._store.commit(units, wait=wait)


class Node:
    """One life of a node. `offset` milliseconds is how wrong its clock is.

    `kill` is kill -9: statements under way outlive it. `evicted` is called when it finds that its lease is gone.
    """

    def __init__(self, name: str, life: int, ground: Ground, evicted: Callable[["Node"], None]) -> None:
        self.name = name
        self.incarnation = f"{name}.{life}"
        self.url = f"ws://{name}/v1/socket"
        self.offset = 0
        self.alive = True
        self.accepts = False
        self.process = Process()
        self.sockets = Sockets()
        self.relays: list[Connection] = []
        self._ground = ground
        self._evicted = evicted
        self._epochs = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._line = ground.exchange.line(self.incarnation, name, self.process)
        self.process.context.run(self._build)

    def _build(self) -> None:
        ground, loop = self._ground, asyncio.get_running_loop()
        plan, weather, metrics = ground.plan, ground.weather, Metrics(loop.time)
        here = Life(self.incarnation, self.name, self.url, self.name, "")
        self.statements = Statements(weather, lambda: self.cluster.membership.held)
        wire = Wire(ground.database, weather, self.statements)
        asking, scanning, *lanes = (MemoryConversations(wire, self.statements) for _ in range(plan.lanes + 2))
        leases = MemoryNodes(wire, ground.leases, ground.cut_off, self.statements.of_leases)
        self.cluster = Cluster(here, leases, scanning, self.sockets, Load(metrics), loop.time)
        membership, router = self.cluster.membership, self.cluster.router
        committer = Committer([Lane(store) for store in lanes], metrics)
        users = UserKind(plan.policy, self._epoch, self.sockets.attached)
        kinds = (
            CrashingKind(ConversationKind(asking), weather, plan.idle_ms),
            CrashingKind(users, weather, users.idle_ms),
        )
        self.host = Host(Population(kinds, self.clock), router, committer, self.clock)
        self.requests = Requests(router.tell, asking, ground.people, router.reply)
        self._line.listen(self.cluster)
        self.cluster.join(self.host, self.requests, self.sockets, self._line, self._user)
        self.home = membership.home
        works = (committer.run(), self.requests.run(), self.host.population.let_rest(), *self.cluster.works())
        self._tasks = [loop.create_task(work) for work in works]
        self._tasks.append(loop.create_task(self._stay()))

    async def _stay(self) -> None:
        membership = self.cluster.membership
        try:
            await membership.join()
            self.accepts = True
            await membership.run()
        except (Evicted, UnavailableError):
            # It may have joined all the same: another attempt is another life.
            self._evicted(self)

    def _user(self, user: UserId) -> User | None:
        activation = self.host.population.get(user_address(user))
        actor = activation.actor if activation else None
        actor = actor.actor if isinstance(actor, Crashing) else actor
        return actor if isinstance(actor, User) else None

    def clock(self) -> Millis:
        return Millis(self._ground.database.now() + self.offset)

    def _epoch(self) -> str:
        self._epochs += 1
        return f"{self.incarnation}.{self._epochs}"

    @property
    def connections(self) -> list[Connection]:
        return list(self.sockets)

    def enter(self, connection: Connection) -> None:
        self.sockets.connections[connection.number] = connection

    def left(self, connection: Connection) -> None:
        self.sockets.connections.pop(connection.number, None)

    def relay(self, connection: Connection, home: Life) -> "Node | None":
        far = self._ground.find(home.incarnation)
        if far is None or not far.accepts:
            return None
        self.left(connection)
        self.relays.append(connection)
        far.enter(connection)
        return far

    def stop(self) -> None:
        """SIGSTOP."""
        self.process.stop()
        self._hold(True)

    def go_on(self) -> None:
        """SIGCONT."""
        if self.alive:
            self.process.go_on()
            self._hold(False)

    def _hold(self, held: bool) -> None:
        """What it passes on for others."""
        for connection in self.relays:
            connection.up.hold(held)
            connection.down.hold(held)

    async def drain(self) -> None:
        """As server/node.py ends: commits are finished, the lease is given up, sockets are closed."""
        self.accepts = False
        await self.host.drain()
        await self.cluster.membership.leave()
        for connection in self.connections:
            connection.close(DRAINING)

    def resign(self) -> None:
        """As server/node.py ends a life whose lease is gone: nothing is finished, and everybody is sent away."""
        for connection in self.connections:
            connection.close(DRAINING)
        self.kill(lambda connection: connection.cut(0, 0, 0.01, 0.01))

    def kill(self, cut: Callable[[Connection], None]) -> None:
        """Gone without a word; `cut` lets the clients find out."""
        self.alive = self.accepts = False
        self._ground.exchange.close(self.incarnation)
        for connection in self.connections:
            connection.vanish()
        for connection in (*self.connections, *self.relays):
            cut(connection)
        self.sockets.connections.clear()
        self.host.stop()
        for task in self._tasks:
            task.cancel()
        if self.process.stopped:
            self.process.go_on()

    def check(self) -> None:
        """The parts that serve until they are cancelled still do."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and self.alive:
                task.result()
                raise AssertionError(f"{self.incarnation} stopped serving")
