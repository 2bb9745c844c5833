"""One life of a node: it starts, serves, and drains when it is stopped or has lost its lease."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

from server.cluster.membership import Evicted
from server.composition import Parts
from server.connection import Connection
from server.listeners import accepting, reserved
from server.reach import reaching_postgres
from server.rings import keep_rings_within

DRAIN_S = 8.0
"""For what is under way here to be finished."""
SETTLE_S = 5.0
"""For what a provider of pushes has to be answered."""

log = structlog.get_logger()


class Node:
    """`serve` runs the parts until `stop` is called, or the lease is gone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._evicted = False

    def hasten(self) -> None:
        """The membership has changed, somebody says."""
        self._parts.cluster.membership.hasten()

    def stop(self) -> None:
        """Have it drain, and `serve` return."""
        self._parts.stopping.set()

    async def serve(self, ready: Callable[[], None]) -> bool:
        """Serve until stopped, then drain; call `ready` when clients may come. False: the lease was lost.

        To drain: take nobody in, finish commits, give up the lease, close sockets in slices.
        """
        parts = self._parts
        with reaching_postgres():
            await parts.revocations.poll()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in self._works()]
            async with AsyncExitStack() as stack:
                stack.enter_context(parts.metrics.watching_collections())
                stack.callback(parts.passwords.close)
                private = parts.settings.node.private
                await stack.enter_async_context(parts.web.serving(private.host, private.port))
                async with AsyncExitStack() as doors:
                    await self._open(doors)
                    courier = group.create_task(parts.courier.run())
                    tasks += [courier, *map(group.create_task, self._works_of_a_member())]
                    ready()
                    await parts.stopping.wait()
                await self._drain()
                # What a provider has is settled: else somebody else would send it once more.
                await asyncio.wait([courier], timeout=SETTLE_S)
            parts.host.stop()
            for task in tasks:
                task.cancel()
        return not self._evicted

    def _works(self) -> list[Coroutine[Any, Any, None]]:
        parts = self._parts
        return [
            parts.committer.run(),
            parts.requests.run(),
            parts.gateway.wheel.run(),
            parts.revocations.run(),
            parts.gateway.load.run(),
            parts.host.population.let_rest(),
            keep_rings_within(parts.host, parts.settings.gateway.node_ring_bytes),
            parts.bus.run(),
            *parts.cluster.works(),
            *parts.presence.works(),
        ]

    def _works_of_a_member(self) -> list[Coroutine[Any, Any, None]]:
        """What asks and writes for others than the sockets here."""
        parts = self._parts
        return [
            self._stay(),
            parts.message_pushes.run(),
            parts.push_sweep.run(),
            *parts.outbox.works(),
            *parts.notifications.works(),
            *parts.content.works(),
        ]

    async def _stay(self) -> None:
        try:
            await self._parts.cluster.membership.run()
        except Evicted:
            if not self._parts.stopping.is_set():
                log.warning("the lease is gone: beginning anew")
                self._evicted = True
                self.stop()

    async def _drain(self) -> None:
        """Nobody can come in any more; whoever is here is sent away, by this node or, when it is evicted, unheard."""
        parts = self._parts
        parts.courier.drain()
        parts.content.drain()
        if self._evicted:
            parts.host.stop()
            await parts.gateway.drain()
            parts.gateway.abandon()
            return
        try:
            async with asyncio.timeout(DRAIN_S):
                await parts.host.drain()
        except TimeoutError:
            log.warning("drain took too long: stopping all the same")
        await parts.message_pushes.drain()
        await parts.cluster.membership.leave()
        await parts.gateway.drain()

    async def _open(self, doors: AsyncExitStack) -> None:
        """Whoever is sent to this node while it joins waits for it; everybody else comes when it is a member."""
        parts = self._parts
        node = parts.settings.node
        ports = {node.own_port(parts.number), node.listen.port}
        sockets = [doors.enter_context(reserved(node.listen.host, port, "node.listen")) for port in sorted(ports)]
        with reaching_postgres():
            await parts.cluster.membership.join()
        for reservation in sockets:
            await doors.enter_async_context(accepting(lambda: Connection(parts.gateway), reservation))
        # What lives now lives as long as the node: keep it out of every later collection, and collect rarely.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
