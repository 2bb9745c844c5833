"""One run of a seed: people, devices, network, nodes and a database, all on one virtual clock."""

import asyncio
import logging
from contextvars import Context
from random import Random
from types import MappingProxyType

import structlog

from bench.checker.history import Copy, Entry, Final, Happened, Record
from bench.devices.outbox import Style
from bench.devices.people import Person
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from persistence.nodes.memory import Leases
from persistence.people.contract import NewAccount, Refresh
from persistence.people.memory import MemoryPeople
from protocol.ids import Millis, UserId
from server.activation import REFUSE_S
from tests.simulation.bus import Exchange
from tests.simulation.faults import Weather
from tests.simulation.graph import Graph
from tests.simulation.loop import VirtualLoop, run
from tests.simulation.network import Connection, Pace
from tests.simulation.node import Ground, Node
from tests.simulation.plain import PlainDevice
from tests.simulation.plan import CALM_S, Plan, drawn
from tests.simulation.sdk import SdkDevice
from tests.simulation.trouble import Trouble

EPOCH_MS = 1_790_000_000_000
UNTIL_ACKED_S = 60.0
CONVERGED_WITHIN_S = 10.0
ANEW_S = 0.2

AnyDevice = PlainDevice | SdkDevice


class World:
    """Everything that one seed determines; `live` runs it once."""

    def __init__(self, seed: int, plan: Plan, loop: VirtualLoop) -> None:
        self._seed = seed
        self._plan = plan
        self._loop = loop
        self._random = Random(f"world {seed}")
        self._entries: list[Entry] = []
        self._weather = Weather(Random(f"weather {seed}"), plan.rates)
        self._pace = Pace(Random(f"pace {seed}"))
        self._database = Database(lambda: Millis(EPOCH_MS + int(self._loop.time() * 1000)))
        self._people = MemoryPeople(self._database.now, Random(f"people {seed}"))
        self._nodes: list[Node] = []
        exchange = Exchange(Random(f"bus {seed}"), plan.traffic)
        self._ground = Ground(self._database, Leases(), self._people, exchange, self._weather, plan, self._find)
        self._trouble = Trouble(plan, seed, self._ground, self._pace, self._start_node, self._nodes, self._happened)
        self._graph = Graph(self._database, seed, self._nodes, self.log)
        self._connections = 0
        self._users: list[UserId] = []
        self._user_of: dict[str, UserId] = {}
        self._ordered: set[str] = set()
        self._persons: list[Person[AnyDevice]] = []

    # -- what surrounds a device --------------------------------------------------------------------------------

    def log(self, entry: Entry) -> None:
        self._entries.append(entry)

    def connect(self, device: AnyDevice, url: str | None = None) -> Connection | None:
        there = [node for node in self._nodes if node.accepts and url in (None, node.url)]
        if not there:
            return None
        node = self._random.choice(there)
        self._connections += 1
        connection = Connection(self._connections, device.user, node, device, self._pace)
        node.enter(connection)
        return connection

    def _happened(self, what: str) -> None:
        self.log(Happened(self._loop.time(), what))

    # -- the run ------------------------------------------------------------------------------------------------

    async def live(self) -> Record:
        await self._settle_in()
        for number in range(self._plan.nodes):
            self._start_node(f"node{number + 1}")
        unrest = self._loop.create_task(self._trouble.unrest())
        quarrel = self._loop.create_task(self._graph.quarrel(self._users))
        await asyncio.gather(self._trouble.disasters(), *(self._act(person) for person in self._persons))
        unrest.cancel()
        quarrel.cancel()
        self._trouble.heal()
        healed_at = self._loop.time()
        await self._until_acked()
        await asyncio.sleep(CONVERGED_WITHIN_S + (REFUSE_S if self._plan.rates.crash else 0))
        for person in self._persons:
            person.sync()
        await asyncio.sleep(1)
        for node in self._nodes:
            node.check()
        copies = [_copy(person.device) for person in self._persons]
        return Record(
            seed=self._seed,
            entries=self._entries,
            users=self._user_of,
            ordered=self._ordered,
            broken=list(self._loop.broken),
            copies=copies,
            final=self._final(),
            one_writer=self._plan.one_writer,
            healed_at=healed_at,
        )

    async def _settle_in(self) -> None:
        store = MemoryConversations(self._database)
        for number in range(len(self._plan.people)):
            signed_in = await self._people.sign_up(NewAccount(f"user{number}"), Refresh(b"%d" % number, b""), None)
            assert signed_in
            self._users.append(signed_in.user)
        self._graph.start(self._users)
        for _ in range(self._plan.directs):
            await store.open(*self._random.sample(self._users, 2))
        for number in range(self._plan.groups):
            creator, *members = self._random.sample(self._users, self._random.randint(2, len(self._users)))
            await store.create(creator, f"group{number}", members, "group", 0, True)
        everything = MappingProxyType(self._database.tables.heads)
        for user, styles in zip(self._users, self._plan.people, strict=True):
            for style in styles:
                random = Random(f"person {len(self._persons)} {self._seed}")
                device = self._device(user, style)
                self._persons.append(Person(device, self._users, everything, random, self._plan.talk, self._wiped))

    def _device(self, user: UserId, style: Style) -> AnyDevice:
        """A new instance, which connects soon."""
        name = f"{'abcd'[self._users.index(user)]}{len(self._user_of)}"
        self._user_of[name] = user
        if style != "careless":
            self._ordered.add(name)
        kind = SdkDevice if style == "sdk" else PlainDevice
        device = kind(name, user, self, Random(f"{name} {self._seed}"), style)
        self._loop.call_later(self._random.uniform(0, CALM_S), device.connect)
        return device

    def _wiped(self, device: AnyDevice) -> AnyDevice:
        device.retire()
        return self._device(device.user, device.style)

    def _start_node(self, name: str) -> Node:
        life = sum(node.name == name for node in self._nodes) + 1
        self._happened(f"{name}.{life} starts")
        node = Node(name, life, self._ground, self._evicted)
        self._nodes.append(node)
        return node

    def _find(self, incarnation: str) -> Node | None:
        return next((node for node in self._nodes if node.incarnation == incarnation), None)

    def _evicted(self, node: Node) -> None:
        """Its lease is gone: that life is over, and as server/node.py does it begins another one at once."""
        if node.alive:
            self._happened(f"{node.incarnation} is evicted")
            node.resign()
            self._loop.call_later(ANEW_S, self._start_node, node.name, context=Context())

    async def _act(self, person: Person[AnyDevice]) -> None:
        await asyncio.sleep(CALM_S)
        for number in range(self._plan.actions):
            await asyncio.sleep(self._random.expovariate(1 / self._plan.every_s))
            if number * 2 == self._plan.actions:
                await asyncio.sleep(self._plan.idle_s)
            person.act()

    # -- afterwards ---------------------------------------------------------------------------------------------

    async def _until_acked(self) -> None:
        """Everything that somebody still waits for has its answer, or time is up: the checker sees what is missing."""
        until = self._loop.time() + UNTIL_ACKED_S
        while self._loop.time() < until:
            await asyncio.sleep(0.5)
            if all(person.device.settled for person in self._persons):
                return

    def _final(self) -> Final:
        tables = self._database.tables
        return Final(
            {id: [row.event for row in tables.events.get(id, ())] for id in tables.heads},
            {id: head.last_c for id, head in tables.heads.items()},
            {
                id: {user: (member.delivered_c, member.read_c) for user, member in members.items()}
                for id, members in tables.members.items()
            },
            {
                (id, user): member.settings["draft"]
                for id, members in tables.members.items()
                for user, member in members.items()
                if "draft" in member.settings
            },
            tables.creations,
            {
                (id, user): member.folder
                for id, members in tables.members.items()
                for user, member in members.items()
                if member.folder != "inbox"
            },
            {id: pair for pair, id in tables.pairs.items()},
        )


def _copy(device: AnyDevice) -> Copy:
    return Copy(device.name, device.user, device.online, device.copies, device.reads, device.drafts, device.unacked)


def simulate(seed: int, plan: Plan | None = None) -> Record:
    """The history of a seed: the same one every time."""
    chosen = plan or drawn(seed)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:

        async def live() -> Record:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            return await World(seed, chosen, loop).live()

        return run(live(), Random(f"shuffle {seed}") if chosen.shuffle else None)
    finally:
        structlog.configure(**before)
