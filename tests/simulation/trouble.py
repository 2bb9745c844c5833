"""What goes wrong from outside: nodes die and overlap, the database crashes, clocks jump, sockets break or stall."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import assert_never

from persistence.conversations.database import Database
from tests.simulation.faults import Weather
from tests.simulation.network import Connection, Pace
from tests.simulation.node import Node
from tests.simulation.plan import CALM_S, Disaster, Plan

DRAIN_S = 8.0


class Trouble:
    """Makes it, and in the end heals it. `nodes` is everybody who ever served, `start` adds one."""

    def __init__(
        self,
        plan: Plan,
        seed: int,
        database: Database,
        weather: Weather,
        pace: Pace,
        start: Callable[[], Node],
        nodes: list[Node],
        happened: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._random = Random(f"trouble {seed}")
        self._database = database
        self._weather = weather
        self._pace = pace
        self._start = start
        self._nodes = nodes
        self._happened = happened
        self._stalled: list[Connection] = []

    @property
    def _alive(self) -> Node:
        return next(node for node in self._nodes if node.alive)

    async def disasters(self) -> None:
        """Each at its time, or when the one before is over."""
        loop = asyncio.get_running_loop()
        for at, what in self._plan.disasters:
            await asyncio.sleep(max(0.0, at - loop.time()))
            self._happened(what)
            await self._strike(what)

    async def _strike(self, what: Disaster) -> None:
        random, node = self._random, self._alive
        match what:
            case "drain" | "restart":
                if what == "drain":
                    await _drain(node)
                node.statements.terminated = True
                self._kill(node)
                await self._database.settle()
                await asyncio.sleep(random.uniform(0.05, 1))
                self._start()
            case "zombies":
                self._kill(node)
                await asyncio.sleep(random.uniform(0, 0.5))
                self._start()
            case "overlap":
                self._start()
                await asyncio.sleep(random.uniform(0.3, 3))
                self._kill(node)
            case "database crash":
                self._database.crash()
                self._weather.down = True
                await asyncio.sleep(random.choice((0, 0.2, 1.5, 4)))
                self._weather.down = False
            case "clock jump":
                node.offset += random.choice((-3_600_000, -2_000, 2_000, 3_600_000))
            case _:
                assert_never(what)

    def _kill(self, node: Node) -> None:
        self._happened(f"node {node.number} dies")
        node.kill(self._cut)

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
        self._weather.stormy = True
        self._pace.stormy = plan.delays
        while True:
            await asyncio.sleep(random.expovariate(2))
            connections = [connection for node in self._nodes if node.alive for connection in node.connections]
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
        self._weather.stormy = self._weather.down = self._pace.stormy = False
        for connection in self._stalled:
            connection.down.resume()
        self._happened("all is well again")


async def _drain(node: Node) -> None:
    """As a node stops: what is under way is finished, as far as the time allows."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await node.host.drain()
