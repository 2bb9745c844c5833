"""One round of a workload against the stand-in, over real sockets, in one process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.server import Server

from bench.measure import Measured
from bench.stage import Stage, Workload
from bench.wire import User
from tests.bench.stand_in import Misdeeds, StandIn


def silent(doing: str, done: int = 0, total: int = 0) -> None:
    """Progress that nobody watches."""


async def one_round(workload: Workload, misdeeds: Misdeeds | None = None) -> tuple[Measured, StandIn]:
    stand_in = StandIn(misdeeds)
    users = tuple(User(f"u{k}", f"u{k}") for k in range(workload.users_for(1)))
    async with await stand_in.start() as server:
        port = next(iter(server.sockets)).getsockname()[1]
        return await workload.ours(Stage("127.0.0.1", port, (os.getpid(),), users=users), silent), stand_in


@asynccontextmanager
async def several_nodes(users: int, nodes: int = 2) -> AsyncIterator[tuple[Stage, StandIn, list[Server]]]:
    """A stand-in that is several nodes, in the order of their ports."""
    stand_in = StandIn()
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(await stand_in.start()) for _ in range(nodes)]
        servers.sort(key=lambda server: next(iter(server.sockets)).getsockname()[1])
        people = tuple(User(str(k), str(k)) for k in range(users))
        ports = tuple(stand_in.ports)
        yield Stage("127.0.0.1", ports[0], (os.getpid(),) * nodes, users=people, ports=ports), stand_in, servers


async def faults(workload: Workload, misdeeds: Misdeeds) -> str:
    """Everything that a round found wrong, as one text."""
    measured, _ = await one_round(workload, misdeeds)
    return "\n".join(measured.faults)
