"""What a workload is given and what it must be: the contract between the rounds and the four workloads."""

from __future__ import annotations

import asyncio
from multiprocessing.synchronize import Barrier
from typing import Protocol, runtime_checkable

import msgspec

from bench.measure import Measured
from bench.wire import User

IN_STEP_WITHIN = 900.0


class Part(msgspec.Struct, frozen=True):
    """Which of several generator processes this is; together they do one workload, each with users of its own."""

    number: int
    of: int
    barrier: Barrier

    @property
    def leads(self) -> bool:
        """Whether this one reads what is measured of the server."""
        return self.number == 0

    async def in_step(self) -> None:
        """Return when all parts have come so far. Raises BrokenBarrierError when one has failed."""
        await asyncio.to_thread(self.barrier.wait, IN_STEP_WITHIN)


class Stage(msgspec.Struct, frozen=True):
    """One started server and the users it knows. `nodes`, `stores` and `buses` are process ids; the floor has one node.

    `port` is that of all nodes; `ports` are those of each one's own and `private` where each tells its metrics, both
    empty when there is one node. `database` is the URL of its Postgres, empty without one; `supervised` says that a
    node that is killed comes back. `part` is there when several generators share the work.
    """

    host: str
    port: int
    nodes: tuple[int, ...]
    stores: tuple[int, ...] = ()
    buses: tuple[int, ...] = ()
    users: tuple[User, ...] = ()
    database: str = ""
    supervised: bool = False
    ports: tuple[int, ...] = ()
    private: tuple[int, ...] = ()
    part: Part | None = None


class Progress(Protocol):
    """Told what is being done and how far it is."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None: ...


class Workload(Protocol):
    """A shape of load. Parameters are fields; each side runs in a generator process of its own."""

    @property
    def name(self) -> str:
        """The word on the command line and in `results/`."""

    def users_for(self, nodes: int) -> int:
        """How many users must be minted for a server of so many nodes."""

    @property
    def raised(self) -> dict[str, str]:
        """Limits of the server that this shape needs raised: environment variables."""

    @property
    def needs_disk(self) -> bool:
        """Whether figures from a memory file system would mean nothing."""

    def quick(self) -> Workload:
        """The same shape in a few seconds."""

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        """Drive the product."""


@runtime_checkable
class Floored(Workload, Protocol):
    """A shape that one process can be measured by as well."""

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        """Drive the C floor with the same socket work."""
