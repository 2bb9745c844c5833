"""One round of a workload against the stand-in, over real sockets, in one process."""

from __future__ import annotations

import os

from bench.measure import Measured
from bench.stage import Stage, Workload
from bench.wire import User
from tests.bench.stand_in import Misdeeds, StandIn


def silent(doing: str, done: int = 0, total: int = 0) -> None:
    """Progress that nobody watches."""


async def one_round(workload: Workload, misdeeds: Misdeeds | None = None) -> tuple[Measured, StandIn]:
    stand_in = StandIn(misdeeds)
    users = tuple(User(f"u{k}", f"u{k}") for k in range(workload.users))
    async with await stand_in.start() as server:
        port = next(iter(server.sockets)).getsockname()[1]
        return await workload.ours(Stage("127.0.0.1", port, (os.getpid(),), (), users), silent), stand_in


async def faults(workload: Workload, misdeeds: Misdeeds) -> str:
    """Everything that a round found wrong, as one text."""
    measured, _ = await one_round(workload, misdeeds)
    return "\n".join(measured.faults)
