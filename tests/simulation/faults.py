"""What goes wrong, and how often: statements, actors, clocks. All of it drawn from the seed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from actors.conversation_commands import Announce
from actors.effects import Address, Command, Effect
from persistence.conversations.contract import DataFault
from persistence.conversations.database import Answer, ConnectionLost, Database, Fault, Point, Transaction, no_fault
from protocol.errors import Refusal
from protocol.ids import ConversationId, Millis
from server.activation import Activated, Actor, Kind, Ticket

COMMAND_S = 5.0
"""The driver's own limit, as server/node.py sets it: the caller goes on, the statement may too."""
CALLERS: frozenset[Point] = frozenset(("before", "sent", "answered"))


class Rates(Struct, frozen=True):
    """Probabilities, per point of a statement, per command of an actor, per batch."""

    lost: float = 0.0
    slow: float = 0.0
    crash: float = 0.0
    refused: float = 0.0


class Weather:
    """Faults strike while it is `stormy`. While the database is `down`, nobody reaches it."""

    def __init__(self, random: Random, rates: Rates) -> None:
        self.random = random
        self.rates = rates
        self.stormy = False
        self.down = False
        self.struck: list[Announce] = []

    def strikes(self, rate: float) -> bool:
        return self.stormy and rate > 0 and self.random.random() < rate


class Statements:
    """The `Fault` of one host's statements. `terminated`: what has not committed yet never will."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self.terminated = False

    async def __call__(self, statement: str, point: Point) -> None:
        weather = self._weather
        if (point == "before" and weather.down) or (self.terminated and point not in CALLERS):
            raise ConnectionLost(f"{statement}: {point}")
        if point == "before":
            await asyncio.sleep(weather.random.uniform(0.0002, 0.002))
        if point != "sent" and weather.strikes(weather.rates.slow):
            await asyncio.sleep(weather.random.choice((0.03, 0.1, 0.3, 0.9, 2.5)))
            if self.terminated and point not in CALLERS:
                raise ConnectionLost(f"{statement}: {point}")
        if weather.strikes(weather.rates.lost):
            raise ConnectionLost(f"{statement}: {point}")
        if point == "locked" and statement == "commit" and weather.strikes(weather.rates.refused):
            raise DataFault("injected")


class Wire(Database):
    """One client's way to a shared database: a statement may arrive when nobody waits for it any more."""

    def __init__(self, shared: Database, weather: Weather) -> None:
        self._shared = shared
        self._weather = weather
        self.now = shared.now
        self.tables = shared.tables

    def next_id(self, shard: int) -> ConversationId:
        return self._shared.next_id(shard)

    async def run(
        self, name: str, statement: Callable[[Transaction], Awaitable[Answer]], fault: Fault = no_fault
    ) -> Answer:
        async def arriving(transaction: Transaction) -> Answer:
            if self._weather.strikes(self._weather.rates.slow):
                await asyncio.sleep(self._weather.random.choice((0.01, 0.3, 2.5, 5.0)))
            return await statement(transaction)

        async with asyncio.timeout(COMMAND_S):
            return await self._shared.run(name, arriving, fault)


class Injected(Exception):
    """A bug of an actor, simulated."""


class Crashing:
    """An actor that fails now and then, before or after it has changed its state."""

    def __init__(self, actor: Actor, weather: Weather) -> None:
        self._actor = actor
        self._weather = weather

    def handle(self, command: Any, now: Millis) -> list[Effect]:
        weather = self._weather
        crash = weather.strikes(weather.rates.crash) and not self._spared(command)
        if crash and weather.random.random() < 0.5:
            raise Injected(type(command).__name__)
        try:
            effects = self._actor.handle(command, now)
        except Exception as bug:
            context = {"message": "an actor failed by itself", "exception": bug}
            asyncio.get_running_loop().call_exception_handler(context)
            raise
        if crash:
            raise Injected(type(command).__name__)
        return effects

    def _spared(self, command: Any) -> bool:
        """What crashes its actor twice is set aside: news of something durable would be lost, by rule, not by fault."""
        if not isinstance(command, Announce):
            return False
        again = command in self._weather.struck
        self._weather.struck.append(command)
        return again

    def may_rest(self) -> bool:
        return self._actor.may_rest()

    def put_off(self) -> tuple[Command, ...]:
        return self._actor.put_off()


class CrashingKind:
    """A kind whose actors crash."""

    def __init__(self, kind: Kind, weather: Weather, idle_ms: int) -> None:
        self._kind = kind
        self._weather = weather
        self.name = kind.name
        self.mailbox = kind.mailbox
        self.idle_ms = idle_ms
        self.absent: Refusal = kind.absent

    def activate(
        self, address: Address, commands: Sequence[Any], ticket: Ticket | None
    ) -> Activated | Awaitable[Activated | None]:
        activated = self._kind.activate(address, commands, ticket)
        return self._wrap(activated) if isinstance(activated, Activated) else self._later(activated)

    async def _later(self, loading: Awaitable[Activated | None]) -> Activated | None:
        activated = await loading
        return None if activated is None else self._wrap(activated)

    def _wrap(self, activated: Activated) -> Activated:
        return Activated(Crashing(activated.actor, self._weather), activated.ticket, activated.first)
