"""What goes wrong from outside: nodes die, stand still or are cut off, database and bus fail, clocks jump."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import assert_never

from tests.simulation.network import Connection, Pace
from tests.simulation.node import Ground, Node
from tests.simulation.plan import CALM_S, Disaster, Plan

DRAIN_S = 8.0
SUPERVISED_S = 0.1
"""How soon a supervisor sees that a child has died."""


class Trouble:
    """Makes it, and in the end heals it. `nodes` is everybody who ever served, `start` begins a life under a name."""

    def __init__(
        self,
        plan: Plan,
        seed: int,
        ground: Ground,
        pace: Pace,
        start: Callable[[str], Node],
        nodes: list[Node],
        happened: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._random = Random(f"trouble {seed}")
        self._ground = ground
        self._pace = pace
        self._start = start
        self._nodes = nodes
        self._happened = happened
        self._stalled: list[Connection] = []

    @property
    def _alive(self) -> list[Node]:
        return [node for node in self._nodes if node.alive]

    async def disasters(self) -> None:
        """Each at its time; one may begin while another lasts."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for at, what in self._plan.disasters:
                await asyncio.sleep(max(0.0, at - loop.time()))
                group.create_task(self._strike(what))

    async def _strike(self, what: Disaster) -> None:
        random, ground = self._random, self._ground
        if not (alive := self._alive):
            return
        node = random.choice(alive)
        self._happened(f"{what} ({node.incarnation})")
        match what:
            case "drain":
                await _drain(node)
                await self._kill(node, supervised=True, back_after=random.uniform(0.05, 1))
            case "restart":
                await self._kill(node, supervised=True, back_after=random.uniform(0.2, 1))
            case "zombies":
                await self._kill(node, supervised=False, back_after=random.uniform(0, 0.5))
            case "loss":
                await self._kill(node, supervised=False, back_after=random.uniform(3.5, 9))
            case "pause":
                node.stop()
                await asyncio.sleep(random.choice((0.5, 2.5, 3.2, 5.0, 9.0)))
                node.go_on()
            case "newcomer":
                self._start(f"node{len({one.name for one in self._nodes}) + 1}")
            case "bus down":
                ground.exchange.fail(True)
                await asyncio.sleep(random.choice((0.3, 2.0, 6.0, 12.0)))
                ground.exchange.fail(self._plan.bus_stays_down)
            case "partition":
                await self._part(node)
            case "cut off from the database":
                node.statements.unreachable = True
                await asyncio.sleep(random.choice((0.5, 2.0, 4.0, 8.0)))
                node.statements.unreachable = False
            case "database crash":
                ground.database.crash()
                ground.weather.down = True
                await asyncio.sleep(random.choice((0, 0.2, 1.5, 4, 8)))
                ground.weather.down = False
            case "clock jump":
                node.offset += random.choice((-3_600_000, -2_000, 2_000, 3_600_000))
            case _:
                assert_never(what)

    async def _part(self, node: Node) -> None:
        """The bus does not carry from this node to others, or to it, or neither way, for a while."""
        others = [other.name for other in self._alive if other.name != node.name]
        chosen = self._random.sample(others, self._random.randint(1, len(others))) if others else []
        away, back = {(node.name, other) for other in chosen}, {(other, node.name) for other in chosen}
        pairs = self._random.choice((away, back, away | back))
        self._ground.exchange.severed |= pairs
        await asyncio.sleep(self._random.choice((0.4, 1.5, 4.0, 8.0)))
        self._ground.exchange.severed -= pairs

    async def _kill(self, node: Node, *, supervised: bool, back_after: float) -> None:
        if not node.alive:
            return
        self._happened(f"{node.incarnation} dies")
        node.kill(self._cut)
        if supervised:
            await asyncio.sleep(SUPERVISED_S)
            with suppress(Exception):
                await self._ground.supervisor().remove(node.name)
        await asyncio.sleep(back_after)
        self._start(node.name)

    def _cut(self, connection: Connection) -> None:
        random = self._random
        connection.cut(
            random.randint(0, connection.up.under_way),
            random.randint(0, connection.down.under_way),
            random.choice((0.001, 0.1, 1.5)),
            random.choice((0.001, 0.1, 4.0)),
        )

    async def unrest(self) -> None:
        """The small troubles, until the end of days."""
        plan, random = self._plan, self._random
        await asyncio.sleep(CALM_S)
        self._ground.weather.stormy = self._ground.exchange.stormy = True
        self._pace.stormy = plan.delays
        while True:
            await asyncio.sleep(random.expovariate(2))
            connections = [connection for node in self._alive for connection in node.connections]
            if not connections:
                continue
            connection = random.choice(connections)
            if plan.cuts and random.random() < 0.6:
                self._cut(connection)
            elif plan.stalls:
                self._stall(connection)

    def _stall(self, connection: Connection) -> None:
        """A reader that does not read for a while."""
        if connection.down.stalled:
            return
        connection.down.stalled = True
        self._stalled.append(connection)
        after = self._random.choice((0.2, 1.0, 4.0, 15.0))
        asyncio.get_running_loop().call_later(after, connection.down.resume)

    def heal(self) -> None:
        """The last fault is over."""
        self._ground.weather.stormy = self._ground.exchange.stormy = False
        self._ground.weather.down = self._pace.stormy = False
        if self._plan.bus_stays_down:
            self._ground.exchange.fail(True)
        for connection in self._stalled:
            connection.down.resume()
        self._happened("all is well again")


async def _drain(node: Node) -> None:
    """As a node stops: what is under way is finished, as far as the time allows."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await node.process.context.run(asyncio.create_task, node.drain())
