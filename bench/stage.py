"""What a workload is given and what it must be: the contract between the rounds and the four workloads."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bench.measure import Measured
from bench.wire import User


class Stage(msgspec.Struct, frozen=True):
    """One started server and the users it knows. `nodes` and `stores` are process ids; the floor has no stores.

    `database` is the URL of its Postgres, empty without one; `supervised` says that a node that is killed comes back.
    """

    host: str
    port: int
    nodes: tuple[int, ...]
    stores: tuple[int, ...] = ()
    users: tuple[User, ...] = ()
    database: str = ""
    supervised: bool = False


class Progress(Protocol):
    """Told what is being done and how far it is."""

    def __call__(self, doing: str, done: int = 0, total: int = 0) -> None: ...


class Workload(Protocol):
    """A shape of load. Parameters are fields; both sides run in a generator process of their own."""

    @property
    def name(self) -> str:
        """The word on the command line and in `results/`."""

    @property
    def users(self) -> int:
        """How many users must be minted."""

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

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        """Drive the C floor with the same socket work."""
