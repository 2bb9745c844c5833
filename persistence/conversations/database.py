"""A database in memory that fails as Postgres does: the ground under the memory twin, in tests and in the simulator.

Every statement runs as a task of its own, detached from whoever asked: a caller may hear that the connection is lost
while the statement runs on and commits later, or commits and loses its answer, or never ran. What a statement writes
becomes visible at once, when it commits; row locks are held from the lock to the commit. What was committed survives
`crash`. There is no clock and no randomness here: time and faults come from outside.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from typing import Any, Literal, Protocol, TypeVar

from msgspec import Struct

from persistence.conversations.views import Membership
from persistence.faults import UnavailableError
from protocol.events import AnyLogEvent
from protocol.ids import EPOCH, ConversationId, Millis, UserId

Point = Literal["before", "sent", "locked", "before commit", "after commit", "answered"]
Answer = TypeVar("Answer")


class ConnectionLost(UnavailableError):
    """Nobody knows what became of the statement."""


class Fault(Protocol):
    """Called at each point of each statement; may wait, or raise ConnectionLost.

    `before`, `sent` and `answered` are on the caller's side. Raising there means: never ran; runs on unseen; ran, but
    the answer is lost. `locked` and `before commit` are inside the statement, while it holds its row locks: raising
    rolls it back. At `after commit` it is durable and its locks are free: raising loses the answer. Statements that
    only read pass the caller's points alone.
    """

    async def __call__(self, statement: str, point: Point) -> None: ...


async def no_fault(statement: str, point: Point) -> None:
    """Everything goes well."""


class Head(Struct, frozen=True, gc=False):
    """A row of `conversation`; times of the database are milliseconds since 1970."""

    id: ConversationId
    kind: Literal["direct", "group"]
    title: str | None
    create_digest: int
    last_c: int
    fence: int
    at: Millis
    state_at: Millis
    stored_at: Millis


class Row(Struct, frozen=True, gc=False):
    """A row of `event`."""

    event: AnyLogEvent
    digest: int
    stored_at: Millis


class Tables:
    """What is committed. `pairs` and `creations` are unique indexes, `of_user` the index of members by user.

    `follows` and `blocks` are the graph's edges, from whom to whom; only follows that hold are among them.
    """

    def __init__(self) -> None:
        self.heads: dict[ConversationId, Head] = {}
        self.members: dict[ConversationId, dict[UserId, Membership]] = {}
        self.events: dict[ConversationId, list[Row]] = {}
        self.places: dict[tuple[ConversationId, UserId, str], int] = {}
        self.pairs: dict[tuple[UserId, UserId], ConversationId] = {}
        self.creations: dict[tuple[UserId, str], ConversationId] = {}
        self.of_user: dict[UserId, dict[ConversationId, None]] = {}
        self.follows: set[tuple[UserId, UserId]] = set()
        self.blocks: set[tuple[UserId, UserId]] = set()

    def apart(self, one: UserId, other: UserId) -> bool:
        """One of them blocks the other."""
        return (one, other) in self.blocks or (other, one) in self.blocks

    def put_head(self, head: Head) -> None:
        self.heads[head.id] = head

    def put_member(self, id: ConversationId, member: Membership) -> None:
        self.members.setdefault(id, {})[member.user] = member
        self.of_user.setdefault(member.user, {})[id] = None

    def put_event(self, row: Row) -> None:
        event = row.event
        self.events.setdefault(event.conversation, []).append(row)
        self.places[event.conversation, event.sender, event.cid] = event.c


class _Locks:
    """Row locks: whoever waits gets its turn in order."""

    def __init__(self) -> None:
        self._waiting: dict[object, deque[asyncio.Future[None]]] = {}

    def try_take(self, key: object) -> bool:
        if key in self._waiting:
            return False
        self._waiting[key] = deque()
        return True

    async def take(self, key: object) -> None:
        if self.try_take(key):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[key].append(turn)
        await turn

    def give(self, key: object) -> None:
        waiting = self._waiting[key]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]


class Transaction:
    """One statement at work: what it has locked and what it will write. `begun` tells when all that run began."""

    def __init__(self, name: str, tables: Tables, locks: _Locks, fault: Fault, begun: Mapping[object, Millis]) -> None:
        self.tables = tables
        self._name = name
        self._locks = locks
        self._fault = fault
        self._begun = begun
        self._held: list[object] = []
        self._writes: list[Callable[[], None]] = []

    @property
    def settled(self) -> Millis:
        """When the oldest statement that runs began, this one included."""
        return min(self._begun.values())

    async def lock(self, keys: Iterable[object], *, skip: bool = False) -> set[object]:
        """Lock these rows in this order; with `skip`, those that are free. Returns what it got."""
        for key in keys:
            if not skip:
                await self._locks.take(key)
            elif not self._locks.try_take(key):
                continue
            self._held.append(key)
        await self._fault(self._name, "locked")
        return set(self._held)

    def write(self, put: Callable[..., None], *row: object) -> None:
        self._writes.append(lambda: put(*row))

    async def commit(self) -> None:
        if not self._writes:
            return
        await self._fault(self._name, "before commit")
        for write in self._writes:
            write()
        self.release()
        await self._fault(self._name, "after commit")

    def release(self) -> None:
        for key in self._held:
            self._locks.give(key)
        self._held.clear()


class Database:
    """Shared by any number of clients on one event loop. `now` is its clock, in milliseconds since 1970."""

    def __init__(self, now: Callable[[], Millis]) -> None:
        self.now = now
        self.tables = Tables()
        self._locks = _Locks()
        self._running: dict[asyncio.Task[None], asyncio.Future[Any]] = {}
        self._begun: dict[object, Millis] = {}
        self._drawn = 0

    def next_id(self, shard: int) -> ConversationId:
        """As the function of that name in Postgres; a clock that stands still does not exhaust it."""
        self._drawn += 1
        made = max(self.now() - EPOCH, 1) + self._drawn // 1024
        return ConversationId(str(made << 23 | shard << 10 | self._drawn % 1024))

    async def run(
        self, name: str, statement: Callable[[Transaction], Awaitable[Answer]], fault: Fault = no_fault
    ) -> Answer:
        """Run one statement in a transaction of its own. Raises DataFault, or ConnectionLost: outcome unknown."""
        await fault(name, "before")
        answer: asyncio.Future[Answer | Exception] = asyncio.get_running_loop().create_future()
        transaction = Transaction(name, self.tables, self._locks, fault, self._begun)
        # It is the database's, and runs on when the process of whoever asked stands still.
        work = _execute(transaction, statement, answer)
        task = asyncio.get_running_loop().create_task(work, name=name, context=Context())
        self._running[task], self._begun[task] = answer, self.now()
        task.add_done_callback(self._ended)
        try:
            await fault(name, "sent")
            result = await answer
        finally:
            answer.cancel()
        await fault(name, "answered")
        if isinstance(result, Exception):
            raise result
        return result

    async def read(self, name: str, question: Callable[[], Answer], fault: Fault = no_fault) -> Answer:
        """Run a statement that only reads: it sees one moment."""

        async def statement(transaction: Transaction) -> Answer:
            return question()

        return await self.run(name, statement, fault)

    def crash(self) -> None:
        """Lose whatever is not committed, and every connection; then be there again at once."""
        self._locks = _Locks()
        for task, answer in self._running.items():
            task.cancel()
            if not answer.done():
                answer.set_result(ConnectionLost("the database crashed"))
        self._running.clear()
        self._begun.clear()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        self._begun.pop(task, None)

    async def settle(self) -> None:
        """Wait until no statement is running, those included whose caller is gone."""
        while self._running:
            await asyncio.wait(self._running)


async def _execute(
    transaction: Transaction,
    statement: Callable[[Transaction], Awaitable[Answer]],
    answer: "asyncio.Future[Answer | Exception]",
) -> None:
    result: Answer | Exception
    try:
        result = await statement(transaction)
        await transaction.commit()
    except Exception as fault:  # whoever asked shall hear of it, whatever it is
        result = fault
    finally:
        transaction.release()
    if not answer.done():
        answer.set_result(result)
