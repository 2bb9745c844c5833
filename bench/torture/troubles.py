"""What goes wrong in a run, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Protocol

from bench.torture.cluster import Cluster
from bench.torture.line import Line
from bench.torture.proxy import WAYS, Proxy, Way

AROUND_THE_LEASE_S = (0.2, 2.8, 3.1, 3.6, 6.0)
PARTED_S = (0.5, 2.0, 3.5, 7.0)
SLOW_S = (0.5, 3.0, 12.0)


class Stage(Protocol):
    """What a trouble happens to: the cluster, and the lines that are open."""

    cluster: Cluster
    stood_still_until: float

    def lines(self) -> Sequence[Line]: ...

    def happened(self, what: str) -> None: ...


KINDS = (
    "node killed",
    "postgres killed",
    "nats killed",
    "node paused",
    "postgres paused",
    "nats paused",
    "node cut off from postgres",
    "node cut off from nats",
    "rolling restart",
    "slow readers",
)


class Troubles:
    """What each of `KINDS` does, in the order in which they stand there."""

    def __init__(self, stage: Stage, random: Random) -> None:
        self._stage = stage
        self._random = random
        cluster = stage.cluster
        deeds: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: self._kill("a node", cluster.nodes),
            lambda: self._kill("Postgres", cluster.stores),
            lambda: self._kill("NATS", cluster.buses),
            lambda: self._pause("a node", cluster.nodes),
            lambda: self._pause("Postgres", cluster.stores),
            lambda: self._pause("NATS", cluster.buses),
            lambda: self._part("Postgres", cluster.postgres),
            lambda: self._part("NATS", cluster.nats),
            self._restart,
            self._slow_readers,
        )
        self._deeds = dict(zip(KINDS, deeds, strict=True))

    async def strike(self, kind: str) -> None:
        """Have one of `KINDS` happen; returns when it is over."""
        await self._deeds[kind]()

    async def _kill(self, name: str, find: Callable[[], list[int]]) -> None:
        pid = self._random.choice(await asyncio.to_thread(find) or [0])
        if pid:
            self._stage.happened(f"{name} is killed ({pid})")
            self._stage.cluster.kill(pid)

    async def _pause(self, name: str, find: Callable[[], list[int]]) -> None:
        pid, for_s = self._random.choice(await asyncio.to_thread(find) or [0]), self._random.choice(AROUND_THE_LEASE_S)
        if not pid:
            return
        self._stage.happened(f"{name} stands still for {for_s} s ({pid})")
        await asyncio.to_thread(self._stage.cluster.stop, pid)
        await asyncio.sleep(for_s)
        self._stage.cluster.go_on()
        self._stage.stood_still_until = asyncio.get_running_loop().time()
        self._stage.happened(f"{name} goes on")

    async def _part(self, name: str, proxy: Proxy) -> None:
        life, for_s = self._random.choice(proxy.lives or [""]), self._random.choice(PARTED_S)
        ways: tuple[Way, ...] = self._random.choice((WAYS, WAYS[:1], WAYS[1:]))
        self._stage.happened(f"{life} is cut off from {name} ({' and '.join(ways)}) for {for_s} s")
        proxy.shut(life, ways)
        await asyncio.sleep(for_s)
        proxy.free()
        self._stage.happened(f"{life} reaches {name} again")

    async def _restart(self) -> None:
        self._stage.happened("a rolling restart begins")
        await self._stage.cluster.restart_rolling()
        self._stage.happened("all nodes were restarted")

    async def _slow_readers(self) -> None:
        lines, for_s = self._stage.lines(), self._random.choice(SLOW_S)
        slow = [line for line in lines if self._random.random() < 1 / 3]
        self._stage.happened(f"{len(slow)} of {len(lines)} clients read nothing for {for_s} s")
        for line in slow:
            line.read_slowly(for_s)
        await asyncio.sleep(for_s)
