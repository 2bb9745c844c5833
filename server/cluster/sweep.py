"""The sweep: what stands in the log of this node's conversations and has not reached everybody in time."""

import asyncio

import structlog

from persistence.conversations.contract import ConversationStore
from persistence.faults import UnavailableError
from protocol.ids import Millis
from server.cluster.membership import Membership

EVERY_S = 10.0
FROM_MS, TO_MS = 70_000, 10_000
"""How old a message is that is looked at."""

log = structlog.get_logger()


class Sweep:
    """`undelivered`: as of the last look, how often a message had not reached a member. It marks nothing."""

    def __init__(self, store: ConversationStore, membership: Membership) -> None:
        self.undelivered = 0
        self._store = store
        self._membership = membership

    async def run(self) -> None:
        """Look every ten seconds until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
            except UnavailableError as fault:
                log.warning("what is undelivered cannot be counted", fault=str(fault))

    async def look(self) -> None:
        """Count once. Raises `UnavailableError`."""
        now, membership = self._membership.settled, self._membership
        since, until = Millis(max(0, now - FROM_MS)), Millis(max(0, now - TO_MS))
        self.undelivered = await self._store.count_undelivered(since, until, membership.placement.shards(membership.me))
