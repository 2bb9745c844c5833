"""The log scan: the one repair of everything that may go astray between nodes.

What a node makes durable it tells the others at most once. Whatever they may have missed is in the log, with the time
at which it was stored. So this node reads all that came since the last moment at which nothing can have been missing,
and gives it to those users here who lack it, when

- numbers on a link show a hole or a lost tail,
- a node is not heard: every second, which is how nodes live together without a bus,
- a node is gone: after its connections to the database were ended, as it commits nothing from then on,
- all have agreed on a placement: until then some may have told users at their earlier home.

It reads all of the log, not only what those nodes host: who else wrote in their place, or what they wrote in the place
of others, is then found too. Repeats are harmless: a stream drops what it has had.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from actors.user import User
from persistence.conversations.contract import ConversationStore, Heard, Moved
from persistence.faults import UnavailableError
from persistence.nodes.contract import NodeStore
from protocol.codec import Encoded, settings_of
from protocol.events import DurableEvent, ReadMoved, ReceiptMoved
from protocol.facts import Choice
from protocol.ids import Millis, UserId
from server.cluster.links import Links
from server.cluster.membership import Membership
from server.cluster.router import Router

EVERY_S = 1.0
PAUSE_S = 0.1
"""Between two scans: who keeps missing something must not do nothing but scan."""
MARGIN_MS = 10_000
"""How far before that moment it reads: what a clock that was set back, or a late look, may have hidden."""

log = structlog.get_logger()


class Repair:
    """Feeds the users here, whose actors `user` finds, from `store`.

    `events` counts those given to a stream that had not had them.
    """

    def __init__(
        self,
        store: ConversationStore,
        nodes: NodeStore,
        membership: Membership,
        links: Links,
        router: Router,
        user: Callable[[UserId], User | None],
    ) -> None:
        self.events = self.scans = 0
        self._store = store
        self._nodes = nodes
        self._membership = membership
        self._links = links
        self._router = router
        self._user = user
        self._gone: dict[str, Millis] = {}
        self._since: list[Millis] = []
        self._poked = asyncio.Event()

    def departed(self, lives: Mapping[str, Millis]) -> None:
        """These lives are over; what they left unsaid from that moment on has to be found."""
        self._gone |= lives
        self.poke()

    def look_back(self, since: Millis) -> None:
        """What was stored from that moment on may have missed somebody."""
        self._since.append(since)
        self.poke()

    def poke(self) -> None:
        """There may be something to do."""
        self._poked.set()

    async def run(self) -> None:
        """Repair whatever has to be, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._poked.wait()
            self._poked.clear()
            await asyncio.sleep(await self._round())

    async def _round(self) -> float:
        """Seconds that have to pass before the next one."""
        gone, self._gone = self._gone, {}
        since, self._since = self._since, []
        holes = {peer: peer.holes for peer in self._links.doubtful()}
        if not gone and not since and not holes:
            return 0
        settled = self._membership.settled
        bounds = [*since, *gone.values(), *(peer.settled for peer in holes)]
        try:
            for incarnation in gone:
                await self._nodes.cut_off(incarnation)
            await self._scan(Millis(max(0, min(bounds) - MARGIN_MS)))
        except UnavailableError as fault:
            log.warning("the log cannot be scanned", fault=str(fault))
            self._gone |= gone
            self._since += since
            return EVERY_S
        for peer, count in holes.items():
            peer.mended(count, settled)
        return PAUSE_S

    async def _scan(self, since: Millis) -> None:
        shards = self._membership.placement.shards(self._membership.me)
        then = None
        self.scans += 1
        while True:
            scanned = await self._store.scan(since, shards, then)
            self._hear(scanned.heard)
            if then is None:
                self._move(scanned.moved)
            then = scanned.then
            if then is None:
                return

    def _hear(self, events: Sequence[Heard]) -> None:
        for heard in sorted(events, key=lambda heard: (heard.event.conversation, heard.event.c)):
            lacking = [user for user in heard.users if (actor := self._user(user)) and actor.lacks(heard.event)]
            if lacking:
                self.events += len(lacking)
                self._tell(lacking, heard.event)

    def _move(self, moved: Sequence[Moved]) -> None:
        for one in moved:
            if one.others and (one.delivered_c or one.read_c):
                self._tell(one.others, ReceiptMoved(one.conversation, one.user, one.delivered_c, one.read_c))
            if one.mine and one.read_c:
                self._tell([one.user], ReadMoved(one.conversation, one.read_c))
            if one.mine and one.settings.v:
                self._tell([one.user], Choice(one.conversation, **settings_of(one.settings)))

    def _tell(self, users: Sequence[UserId], event: DurableEvent | Choice) -> None:
        self._router.tell_here(users, Encoded(event))
