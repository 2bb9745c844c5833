"""One simulated node: the real host, committer, kinds and requests; only the sockets in front of them are simulated."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from actors.effects import Address
from actors.effects import Asked as Request
from actors.stream import Numbered
from actors.user_commands import Delivered, Reattach, Report
from persistence.conversations.contract import Outcome
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from persistence.people.contract import PeopleStore
from protocol.codec import Encoded
from protocol.errors import OVERLOADED, Close
from protocol.ids import Millis, UserId
from protocol.replies import Result
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind, UserKind
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from tests.simulation.faults import CrashingKind, Statements, Weather, Wire
from tests.simulation.network import Connection
from tests.simulation.plan import Plan


class Outside:
    """What server/gateway.py is to the host: replies and deliveries go to connections."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}
        self.host: Host
        self.requests: Requests

    def reply(self, request: Request, result: Result) -> None:
        if connection := self.connections.get(request.connection):
            connection.reply(request.id, result)

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None:
        if type(body) is Numbered or type(body) is Encoded:
            for address in audience:
                connection = self.connections.get(int(address.key))
                if connection and connection.open:
                    connection.send(body)
            return
        delivered = Delivered(Encoded(body))
        for address in audience:
            self.host.tell(address, delivered, activate=False)

    def tell(self, address: Address, command: Any) -> None:
        connection = self.connections.get(int(address.key))
        if connection is None:
            return
        match command:
            case Close():
                connection.close(command)
            case Report():
                connection.report()

    async def ask(self, address: Address, question: Any) -> Any:
        return await self.requests.ask(question)

    def attached(self, user: UserId) -> list[Reattach]:
        mine = [one for one in list(self.connections.values()) if one.open and one.user == user]
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
    """`offset` milliseconds is how wrong its clock is. `kill` is kill -9: statements under way outlive it."""

    def __init__(
        self,
        number: int,
        database: Database,
        people: PeopleStore,
        weather: Weather,
        plan: Plan,
    ) -> None:
        self.number = number
        self.offset = 0
        self.alive = True
        self.statements = Statements(weather)
        self._database = database
        self._epochs = 0
        self._outside = Outside()
        wire = Wire(database, weather)
        stores = [MemoryConversations(wire, self.statements) for _ in range(plan.lanes + 1)]
        committer = Committer([Lane(store) for store in stores[1:]], Metrics(asyncio.get_running_loop().time))
        users = UserKind(plan.policy, self._epoch, self._outside.attached)
        conversations = ConversationKind(stores[0])
        kinds = CrashingKind(conversations, weather, plan.idle_ms), CrashingKind(users, weather, users.idle_ms)
        self.host = Host(Population(kinds, self.clock), self._outside, committer, self.clock)
        self.requests = Requests(self.host, stores[0], people, self._outside.reply)
        self._outside.host, self._outside.requests = self.host, self.requests
        works = (committer.run(), self.requests.run(), self.host.population.let_rest())
        self._tasks = [asyncio.get_running_loop().create_task(work) for work in works]

    def clock(self) -> Millis:
        return Millis(self._database.now() + self.offset)

    def _epoch(self) -> str:
        self._epochs += 1
        return f"{self.number}.{self._epochs}"

    def enter(self, connection: Connection) -> None:
        self._outside.connections[connection.number] = connection

    def left(self, connection: Connection) -> None:
        self._outside.connections.pop(connection.number, None)

    @property
    def connections(self) -> list[Connection]:
        return list(self._outside.connections.values())

    def kill(self, cut: Callable[[Connection], None]) -> None:
        """Gone without a word; `cut` lets the clients find out."""
        self.alive = False
        for connection in self.connections:
            connection.vanish()
            cut(connection)
        self._outside.connections.clear()
        self.host.stop()
        for task in self._tasks:
            task.cancel()

    def check(self) -> None:
        """The parts that serve until they are cancelled still do."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and self.alive:
                task.result()
                raise AssertionError(f"node {self.number} stopped serving")
