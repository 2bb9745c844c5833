"""One node's part in a cluster on a virtual clock: its users are here, and a test plays the other nodes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from actors.effects import Address, Asked, user_address
from actors.stream import Numbered
from actors.user import User
from actors.user_commands import Attach
from persistence.conversations.database import Database, Fault, no_fault
from persistence.conversations.memory import MemoryConversations
from persistence.nodes.contract import LEASE_MS, Life
from persistence.nodes.memory import Leases, MemoryNodes
from protocol.codec import Encoded
from protocol.events import DurableEvent
from protocol.facts import Fact
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from protocol.replies import Result
from server.cluster.cluster import Cluster
from server.cluster.frames import Frame, Item, decode, encode
from server.cluster.homes import Session
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind, UserKind
from server.load import Load
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from tests.actors.devices import POLICY
from tests.contracts.grounds import opened, unit
from tests.simulation.loop import run

HERE, THERE = Life("here.1", "here", "", "", ""), Life("there.1", "there", "", "", "")


class Sockets:
    """What users here are told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, DurableEvent]] = []
        self.replies: list[tuple[Asked, Result]] = []

    def __iter__(self) -> Iterator[Session]:
        return iter(())

    def reply(self, request: Asked, result: Result) -> None:
        self.replies.append((request, result))

    def write(self, audience: tuple[Address, ...], body: Numbered | Encoded) -> None:
        if isinstance(body, Numbered):
            self.told += [(int(address.key), body.encoded.event) for address in audience]  # type: ignore[misc]

    def tell(self, address: Address, command: object) -> None:
        """Connections are told nothing that matters here."""


class Line:
    """The bus, as far as it goes from here."""

    def __init__(self) -> None:
        self.connected = True
        self.frames: list[Frame] = []

    def publish(self, node: str, data: bytes) -> None:
        self.frames.append(decode(data))

    def announce(self) -> None:
        """Nobody listens."""


class Part:
    """`ended` are the lives whose connections were ended; `fault` strikes what this node asks of the log.

    `told` is until when the other node has told what it made durable, None for up to now.
    """

    def __init__(self, fault: Fault = no_fault) -> None:
        loop = asyncio.get_running_loop()
        self.database = Database(lambda: Millis(EPOCH + 10**10 + round(loop.time() * 1_000)))
        self.sockets, self.line = Sockets(), Line()
        self.ended: list[str] = []
        self.leases = MemoryNodes(self.database, Leases(), self.ended.append)
        self.store = MemoryConversations(self.database)
        metrics = Metrics(loop.time)
        asked = MemoryConversations(self.database, fault)
        self.cluster = Cluster(HERE, self.leases, asked, self.sockets, Load(metrics), loop.time)
        kinds = UserKind(POLICY, lambda: "epoch", lambda _: []), ConversationKind(self.store)
        committer = self._committer = Committer([self.store.commit], metrics)
        self.host = Host(Population(kinds, self.database.now), self.cluster.router, committer, self.database.now)

        requests = Requests(self.cluster.router.tell, self.store, None, self.sockets.reply)  # type: ignore[arg-type]
        self.cluster.join(self.host, requests, self.sockets, self.line, self._user)
        self._numbers = 0
        self.told: Millis | None = None
        self._beating: asyncio.Task[None] | None = None

    def _user(self, user: UserId) -> User | None:
        activation = self.host.population.get(user_address(user))
        return activation.actor if activation and isinstance(activation.actor, User) else None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Part"]:
        """A member, with another one that is heard and keeps its lease until the test says otherwise."""
        await self.leases.join(THERE)
        await self.cluster.membership.join()
        async with asyncio.TaskGroup() as group:
            works = [*self.cluster.works(), self.cluster.membership.run(), self._committer.run(), self._renew()]
            tasks = [group.create_task(work) for work in works]
            self._beating = group.create_task(self._beat())
            await asyncio.sleep(3)
            self.sockets.told.clear()
            yield self
            for task in (*tasks, self._beating):
                task.cancel()

    async def _renew(self) -> None:
        version = 0
        while view := await self.leases.renew(THERE.incarnation, version):
            version = view.version
            await asyncio.sleep(0.5)

    async def _beat(self) -> None:
        while True:
            self.hears(self._numbers)
            await asyncio.sleep(0.2)

    def hears(self, number: int, *items: Item) -> None:
        """A frame comes from there."""
        self._numbers = max(self._numbers, number)
        beat = self.line.frames[-1].beat if self.line.frames else 1
        told = self.cluster.membership.settled if self.told is None else self.told
        self.cluster.received(encode(Frame(THERE.incarnation, number, 1, beat, told, items)))

    def silence(self) -> None:
        """Nothing more is heard from there."""
        assert self._beating
        self._beating.cancel()

    def at_home(self, *, here: bool) -> UserId:
        """A user whose home it is, here or there."""
        placement = self.cluster.membership.placement
        ids = (UserId(str(1 << 40 | shard << 10 | 1)) for shard in range(8_192))
        return next(id for id in ids if (placement.node_of(id) == HERE.incarnation) == here)

    def attach(self, user: UserId, connection: int = 1) -> None:
        """The user has a socket here."""
        hello = Attach(Asked(connection, 1), "phone", None, snapshot=False, background=False)
        self.host.tell(user_address(user), hello)

    async def open(self, one: UserId, other: UserId) -> ConversationId:
        """The conversation of two who follow each other."""
        self.database.tables.follows |= {(one, other), (other, one)}
        return await opened(self.store, one, other)

    async def stored(self, id: ConversationId, asker: UserId, *facts: Fact) -> None:
        """Another node has made this durable, and told nobody."""
        activated = await self.store.activate(id, [asker], [], None)
        assert activated
        assert await self.store.commit([unit(activated, *facts)], wait=True) == ["committed"]


def with_part(test: Callable[[Part], Awaitable[None]], fault: Fault = no_fault) -> None:
    """Run a test on a part that serves."""

    async def main() -> None:
        async with Part(fault).serving() as part:
            await test(part)
            part.host.stop()

    run(main())


LEASE_S = LEASE_MS / 1_000
