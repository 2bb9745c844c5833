"""This node among the others: its lease, and the placement that it acts by.

    join ─► renew every second, and at once on news ─► another version? ─► act by it, say so with the next renewal
                 │                                      all act by it? ─► what went astray meanwhile is looked for
                 └─ the lease is gone: Evicted. This life is over, another may begin.

A node whose renewals have no answer goes on serving what needs no database. It writes nothing once its lease may have
run out, so nothing of it becomes durable after the others looked for what it left unsaid.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from actors.placement import Placement
from persistence.faults import UnavailableError
from persistence.nodes.contract import LEASE_MS, RENEW_MS, Ended, Life, NodeStore, View
from protocol.ids import Millis
from server.outage import Outage

log = structlog.get_logger()


class Evicted(Exception):
    """The lease of this life is gone: others host what it hosted."""


class Observer(Protocol):
    """Whoever has to act when the membership changes."""

    def placed(self, placement: Placement, ended: Sequence[Ended]) -> None:
        """From now on this node acts by another placement; these lives ended lately."""

    def agreed(self, since: Millis) -> None:
        """All members act by it; until then, and from `since` on, not everything found its way."""

    def announce(self) -> None:
        """The other nodes should look, too."""


class Membership:
    """`settled`: what is stored before it, by the database's clock, can be seen by now.

    `shared`: besides this life there is another one, or was one lately: a scan for what it left may be under way.

    `now` is monotonic seconds of this very moment: the time of a loop stands still while the process does.
    """

    def __init__(self, store: NodeStore, node: Life, now: Callable[[], float]) -> None:
        self.node = node
        self.me = node.incarnation
        self.placement = Placement(0, {self.me: node.name})
        self.nodes: dict[str, Life] = {self.me: node}
        self.settled = Millis(0)
        self.shared = True
        self._store = store
        self._now = now
        self._held_until = 0.0
        self._poked = asyncio.Event()
        self._confirmed = 0
        # What was settled when all members were last seen to act by one version, and that version.
        self._agreed = Millis(0)
        self._agreed_version = 0
        self._outage = Outage("the lease cannot be renewed")

    def attend(self, observer: Observer) -> None:
        """Who is told; called once, before `join`."""
        self._observer = observer

    @property
    def held(self) -> bool:
        """The lease has not run out, by the clock of this process."""
        return self._now() < self._held_until

    def home(self, user: str) -> Life | None:
        """The node where this user's sessions live; None when it is this one."""
        placement = self.placement
        if placement.alone or (node := placement.node_of(user)) == self.me:
            return None
        return self.nodes[node]

    def hasten(self) -> None:
        """Somebody says that something has changed."""
        self._poked.set()

    async def join(self) -> None:
        """Become a member. Raises `UnavailableError`."""
        asked = self._now()
        view = await self._store.join(self.node)
        self._agreed = view.settled
        self._see(view, asked)

    async def run(self) -> None:
        """Keep the lease until cancelled. Raises Evicted."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_MS / 1000):
                    await self._poked.wait()
            self._poked.clear()
            await self._renew()

    async def _renew(self) -> None:
        asked, version = self._now(), self.placement.version
        try:
            view = await self._store.renew(self.me, version)
        except UnavailableError as fault:
            self._outage.goes_on(fault)
            return
        self._outage.is_over()
        if view is None:
            raise Evicted
        if version != self._confirmed:
            self._confirmed = version
            self._observer.announce()
        self._see(view, asked)

    def _see(self, view: View, asked: float) -> None:
        self._held_until = asked + LEASE_MS / 1000
        self.settled = view.settled
        self.shared = len(view.members) > 1 or bool(view.ended)
        if view.version != self.placement.version:
            self.nodes = {member.node.incarnation: member.node for member in view.members}
            self.placement = Placement(view.version, {node.incarnation: node.name for node in self.nodes.values()})
            log.info("placement", version=view.version, nodes=len(self.nodes))
            self._observer.placed(self.placement, view.ended)
            self._poked.set()
            self._observer.announce()
        elif view.agreed:
            if self._agreed_version != view.version:
                self._agreed_version = view.version
                self._observer.agreed(self._agreed)
            self._agreed = view.settled

    async def leave(self) -> None:
        """Give the lease up, so that others host what this node hosted; it runs out by itself if that fails."""
        try:
            await self._store.leave(self.me)
        except UnavailableError as fault:
            log.warning("the lease could not be given up", fault=str(fault))
        self._observer.announce()
