"""What goes wrong, and how often: statements, actors, clocks. All of it drawn from the seed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from actors.conversation_commands import Announce
from actors.effects import Address, Command, Effect
from persistence.conversations.contract import DataFault
from persistence.conversations.database import Answer, ConnectionLost, Database, Fault, Point, Transaction, no_fault
from protocol.errors import Refusal
from protocol.ids import ConversationId, Millis
from server.activation import CRASHES, Activated, Actor, Kind, Loading, Ticket
from tests.simulation.process import RUNNING

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
        self.crashed: Counter[Address] = Counter()

    def strikes(self, rate: float) -> bool:
        return self.stormy and rate > 0 and self.random.random() < rate


class Statements:
    """The `Fault` of one life's statements. `cut_off`: what was begun by then and has not committed never will.

    `held` is asked as persistence/pool.py asks it: what is said after the lease has run out is not said at all.
    """

    def __init__(self, weather: Weather, held: Callable[[], bool]) -> None:
        self._weather = weather
        self._held = held
        self.unreachable = False
        # Statements at work, and whether their connection is ended.
        self._at_work: dict[asyncio.Task[Any], bool] = {}

    def cut_off(self) -> None:
        """The connections of this life are ended."""
        self._at_work = dict.fromkeys(self._at_work, True)

    def begin(self) -> None:
        """This task is a statement: it belongs to the database, and goes on whatever its process does."""
        RUNNING.set(None)
        task = asyncio.current_task()
        assert task
        self._at_work[task] = False
        task.add_done_callback(self._at_work.pop)

    def _is_over(self) -> bool:
        task = asyncio.current_task()
        return task is not None and self._at_work.get(task, False)

    async def __call__(self, statement: str, point: Point) -> None:
        if point == "before" and not self._held():
            raise ConnectionLost(f"{statement}: the lease has run out")
        await self.of_leases(statement, point)

    async def of_leases(self, statement: str, point: Point) -> None:
        """The same for what keeps the lease itself."""
        weather = self._weather
        if (point == "before" and (weather.down or self.unreachable)) or self._is_over():
            raise ConnectionLost(f"{statement}: {point}")
        if point == "before":
            await asyncio.sleep(weather.random.uniform(0.0002, 0.002))
        if point != "sent" and weather.strikes(weather.rates.slow):
            await asyncio.sleep(weather.random.choice((0.03, 0.1, 0.3, 0.9, 2.5)))
            if self._is_over():
                raise ConnectionLost(f"{statement}: {point}")
        if weather.strikes(weather.rates.lost):
            raise ConnectionLost(f"{statement}: {point}")
        if point == "locked" and statement == "commit" and weather.strikes(weather.rates.refused):
            raise DataFault("injected")


class Wire(Database):
    """One client's way to a shared database: a statement may arrive when nobody waits for it any more."""

    def __init__(self, shared: Database, weather: Weather, statements: Statements) -> None:
        self._shared = shared
        self._statements = statements
        self._weather = weather
        self.now = shared.now
        self.tables = shared.tables

    def next_id(self, shard: int) -> ConversationId:
        return self._shared.next_id(shard)

    async def run(
        self, name: str, statement: Callable[[Transaction], Awaitable[Answer]], fault: Fault = no_fault
    ) -> Answer:
        async def arriving(transaction: Transaction) -> Answer:
            self._statements.begin()
            if self._weather.strikes(self._weather.rates.slow):
                await asyncio.sleep(self._weather.random.choice((0.01, 0.3, 2.5, 5.0)))
            return await statement(transaction)

        try:
            async with asyncio.timeout(COMMAND_S):
                return await self._shared.run(name, arriving, fault)
        except TimeoutError as late:
            raise ConnectionLost(f"{name}: no answer") from late


class Injected(Exception):
    """A bug of an actor, simulated."""


class Crashing:
    """An actor that fails now and then, before or after it has changed its state.

    Not so often that its host answers nobody for a while: that is a rule, too.
    """

    def __init__(self, actor: Actor, address: Address, weather: Weather) -> None:
        self.actor = actor
        self._address = address
        self._weather = weather

    def handle(self, command: Any, now: Millis) -> list[Effect]:
        weather = self._weather
        crash = weather.strikes(weather.rates.crash) and not self._spared(command)
        weather.crashed[self._address] += crash
        if crash and weather.random.random() < 0.5:
            raise Injected(type(command).__name__)
        try:
            effects = self.actor.handle(command, now)
        except Exception as bug:
            context = {"message": "an actor failed by itself", "exception": bug}
            asyncio.get_running_loop().call_exception_handler(context)
            raise
        if crash:
            raise Injected(type(command).__name__)
        return effects

    def _spared(self, command: Any) -> bool:
        """What crashes its actor twice is set aside: news of something durable would be lost, by rule, not by fault."""
        if self._weather.crashed[self._address] + 1 >= CRASHES:
            return True
        if not isinstance(command, Announce):
            return False
        again = command in self._weather.struck
        self._weather.struck.append(command)
        return again

    def may_rest(self) -> bool:
        return self.actor.may_rest()

    def put_off(self) -> tuple[Command, ...]:
        return self.actor.put_off()


class CrashingKind:
    """A kind whose actors crash."""

    def __init__(self, kind: Kind, weather: Weather, idle_ms: int) -> None:
        self._kind = kind
        self._weather = weather
        self.name = kind.name
        self.mailbox = kind.mailbox
        self.idle_ms = idle_ms
        self.absent: Refusal = kind.absent

    def activate(self, address: Address, commands: Sequence[Any], ticket: Ticket | None) -> Activated | Loading:
        activated = self._kind.activate(address, commands, ticket)
        return self.wrap(address, activated) if isinstance(activated, Activated) else _Later(self, address, activated)

    def wrap(self, address: Address, activated: Activated) -> Activated:
        return Activated(Crashing(activated.actor, address, self._weather), activated.ticket, activated.first)


class _Later:
    """What comes to life with a question, and crashes from then on."""

    def __init__(self, kind: CrashingKind, address: Address, loading: Loading) -> None:
        self._kind = kind
        self._address = address
        self._loading = loading

    def __await__(self) -> Generator[Any, Any, Activated | None]:
        activated = yield from self._loading.__await__()
        return None if activated is None else self._kind.wrap(self._address, activated)

    def close(self) -> None:
        self._loading.close()
