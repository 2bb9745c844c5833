"""Nodes with presence alone, on a virtual clock: one Redis and one set of rights in memory, users without sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from actors.effects import Address, Asked
from actors.placement import Placement
from actors.user_commands import Interest, Look, See, Standing, Stands
from actors.user_presence import OFFLINE
from persistence.nodes.contract import Life
from persistence.presence.memory import MemoryPresence, MemorySights, Shelf
from protocol.ids import EPOCH, Millis, UserId
from protocol.live import PresenceChanged
from protocol.replies import Watched
from server.cluster.membership import Membership
from server.load import Load
from server.observe import Metrics
from server.presence.presence import Presence
from tests.simulation.loop import run


class PresenceNode:
    """`told` is what users here were handed, in order; `standings` is how they stand."""

    def __init__(self, world: "World", name: str) -> None:
        now = asyncio.get_running_loop().time
        self.life = Life(f"{name}.{len(world.nodes)}", name, "", "", "")
        self.membership = Membership(None, self.life, now)  # type: ignore[arg-type]
        self.told: list[tuple[str, PresenceChanged]] = []
        self.standings: dict[UserId, Standing] = {}
        self.load = Load(Metrics(now))
        store = MemoryPresence(world.shelf)
        self.presence = Presence(store, world.sights, self.membership, self.load, world.clock, now)
        self.presence.join(lambda: ((user, self.standings[user]) for user in list(self.standings)), self._tell)
        self._tasks = [asyncio.ensure_future(work) for work in self.presence.works()]

    def _tell(self, address: Address, see: See) -> None:
        assert isinstance(see.encoded.event, PresenceChanged)
        self.told.append((str(address.key), see.encoded.event))

    def stand(self, user: UserId, state: str, at: int = 0) -> None:
        standing = Standing(state, Millis(at))  # type: ignore[arg-type]
        self.standings[user] = standing
        self.presence.tell(Stands(user, standing))

    async def watch(self, watcher: UserId, *users: UserId) -> list[str]:
        """Watch these too; how they stand."""
        self.standings.setdefault(watcher, OFFLINE)
        self.presence.tell(Interest(watcher, users, ()))
        looked = await self.presence.ask(Look(watcher, Asked(1, 1), users))
        assert isinstance(looked.result, Watched)
        return [person.state for person in looked.result.users]

    def states(self) -> list[str]:
        """What was told since this was asked last."""
        told, self.told = self.told, []
        return [event.state for _, event in told]

    def crash(self) -> None:
        for task in self._tasks:
            task.cancel()


class World:
    """Ada is at home on node a, Ben on node b; they follow each other."""

    def __init__(self) -> None:
        self.shelf = Shelf(self.clock)
        self.sights = MemorySights(self.clock)
        self.nodes: dict[str, PresenceNode] = {}

    def clock(self) -> Millis:
        return Millis(EPOCH + 10**10 + round(asyncio.get_running_loop().time() * 1_000))

    def add(self, name: str) -> PresenceNode:
        node = self.nodes[name] = PresenceNode(self, name)
        self.place()
        return node

    def place(self) -> None:
        """Everybody acts by the nodes that are there."""
        lives = {node.life.incarnation: node.life for node in self.nodes.values()}
        placement = Placement(1, {incarnation: life.name for incarnation, life in lives.items()})
        for node in self.nodes.values():
            node.membership.placement, node.membership.nodes = placement, lives
            node.presence.placed()

    def lose(self, name: str) -> None:
        """The node is gone, and everybody knows."""
        self.nodes.pop(name).crash()
        self.place()

    def at_home(self, name: str) -> UserId:
        placement, life = self.nodes[name].membership.placement, self.nodes[name].life
        ids = (UserId(str(1 << 40 | shard << 10 | 1)) for shard in range(8_192))
        return next(id for id in ids if placement.node_of(id) == life.incarnation)

    def befriend(self, one: UserId, other: UserId) -> None:
        self.sights.follows |= {(one, other), (other, one)}


Test = Callable[[World, PresenceNode, PresenceNode, UserId, UserId], Awaitable[None]]


@asynccontextmanager
async def _world() -> AsyncIterator[World]:
    world = World()
    world.add("a")
    world.add("b")
    world.befriend(world.at_home("a"), world.at_home("b"))
    # The moving of homes is over.
    await asyncio.sleep(20)
    yield world
    for node in world.nodes.values():
        node.crash()


def with_two_nodes(test: Test) -> None:
    """Run a test: the world, nodes a and b, Ada and Ben."""

    async def main() -> None:
        async with _world() as world:
            await test(world, world.nodes["a"], world.nodes["b"], world.at_home("a"), world.at_home("b"))

    run(main())
