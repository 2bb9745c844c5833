"""The sweep of the log for pushes: it does not forget what a crash, or a full queue, made the live path forget.

The log is the cause of a push for a message, and it is durable. The 8,192 shards are 64 groups; the node that hosts the
first shard of a group sweeps all of it. What was stored up to ten seconds ago has been told long since: whoever it has
not reached, and who has had no push for it, gets one now. Until when a group has been swept is stored, so that after an
outage, or another node's end, nothing is left out. Two nodes that sweep a group at once do no harm: a job is written
once, as the member's `pushed_c` is raised by the same statement.
"""

import asyncio

from persistence.conversations.contract import DataFault
from persistence.faults import UnavailableError
from persistence.messages.contract import Recipient
from persistence.messages.postgres import LIFE_MS, PostgresMessagePushes
from protocol.ids import SHARDS, ConversationId, Millis, UserId
from server.cluster.membership import Membership
from server.messages.pushing import BATCH, LOCKED_S, MessagePushes
from server.messages.waiting import folded
from server.outage import Outage

EVERY_S = 10.0
AGE_MS = 10_000
"""How old a message is before it is swept."""
FIRST_MS = 60_000
"""How far before that a group is looked through that never was."""
SLICE_MS, WIDEST_MS = 10_000, 600_000
"""How much of the log is looked through before that is noted, as each page reads all the rest of its slice. While there
is little in them, slices widen: a day is looked through within a second or two."""
GROUPS = 64
_WIDTH = SHARDS // GROUPS


class PushSweep:
    """Gives what it finds to `pushes`."""

    def __init__(self, store: PostgresMessagePushes, pushes: MessagePushes, membership: Membership) -> None:
        self._store = store
        self._pushes = pushes
        self._membership = membership
        self._outage = Outage("the log cannot be swept for pushes")

    async def run(self) -> None:
        """Sweep every ten seconds until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.look()
            except (UnavailableError, DataFault) as fault:
                self._outage.goes_on(fault)
            else:
                self._outage.is_over()

    async def look(self) -> None:
        """Sweep once. Raises `UnavailableError` and `DataFault`; what was not swept is swept the next time."""
        groups = self._groups()
        until = Millis(self._membership.settled - AGE_MS)
        if not groups or until <= 0:
            return
        swept = await self._store.swept(groups)
        since = Millis(max(until - LIFE_MS, until - FIRST_MS if swept is None else min(swept, until)))
        width = SLICE_MS
        while since < until:
            end = Millis(min(since + width, until))
            pages = await self._sweep(since, end, _shards(groups))
            await self._store.mark_swept(groups, end)
            since, width = end, min(2 * width, WIDEST_MS) if pages == 1 else SLICE_MS

    async def _sweep(self, since: Millis, until: Millis, shards: bytes) -> int:
        """How many pages there were."""
        then, pages = None, 0
        while pages == 0 or then:
            page = await self._store.sweep(since, until, shards, then)
            await self._push(page.recipients)
            then, pages = page.then, pages + 1
        return pages

    def _groups(self) -> list[int]:
        placement, me = self._membership.placement, self._membership.me
        return [group for group in range(GROUPS) if placement.node_of(str(group * _WIDTH << 10)) == me]

    async def _push(self, found: tuple[Recipient, ...]) -> None:
        once: dict[tuple[UserId, ConversationId], Recipient] = {}
        for one in found:
            key = one.user, one.message.conversation
            once[key] = folded(once[key], one) if key in once else one
        left = list(once.values())
        while left:
            again = await self._pushes.push(left[:BATCH], "sweep")
            left = left[BATCH:] + again
            await asyncio.sleep(LOCKED_S if again else 0)


def _shards(groups: list[int]) -> bytes:
    """One bit for each shard, the lowest of a byte first."""
    some = (1 << _WIDTH) - 1
    return sum(some << group * _WIDTH for group in groups).to_bytes(SHARDS // 8, "little")
