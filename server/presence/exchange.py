"""The exchange: what the nodes learn of each other's users, and whether they can, through one store.

Loss of the store heals by itself. Every node has a lease in it: whose lease is gone when it comes to renew it writes
everything again before it takes another. News are numbered: where one is missing, everything watched is read again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

import structlog

from persistence.faults import UnavailableError
from persistence.presence.contract import News, PresenceStore, Record
from protocol.ids import UserId
from server.cluster.membership import Membership
from server.presence.interests import Interests
from server.presence.knowledge import Knowledge
from server.presence.rights import Rights
from server.presence.views import Ground
from server.presence.writing import Writing

BEAT_S = 2.0
AGAIN_S = 0.2
DEAF_S = 5.0
"""So long after nothing was heard, not even this node itself, it listens anew."""
DOWN_S = 3.0
"""So long the store may be away before those who are watched are told to be unknown."""
MOVING_S = 10.0
"""So long after a change of homes whoever has not come to the new one counts as being where they were."""
READ = 500
"""People who are read at once."""

log = structlog.get_logger()


class Exchange:
    """It is up while it beats and hears: it renews its lease, and what others say comes in.

    `everybody` gives the records of all who are at home here and not offline; `now` is monotonic seconds. `failures`
    counts the times that the store did not answer.
    """

    def __init__(
        self,
        store: PresenceStore,
        membership: Membership,
        knowledge: Knowledge,
        rights: Rights,
        interests: Interests,
        everybody: Callable[[], Iterable[tuple[UserId, Record]]],
        now: Callable[[], float],
    ) -> None:
        self.failures = 0
        self.writing = Writing(membership.me, store, everybody, self._failed)
        self._store = store
        self._membership = membership
        self._knowledge = knowledge
        self._rights = rights
        self._interests = interests
        self._now = now
        self._hearing = False
        self._good_at = self._moved_at = now()
        self._lost = False
        # When each node's lease counted last.
        self._alive_at: dict[str, float] = {}
        self._numbers: dict[str, int] = {}
        self._poked = asyncio.Event()

    def works(self) -> list[Coroutine[None, None, None]]:
        """What has to run, each until cancelled."""
        return [self._beat(), self._listen(), self.writing.run(), self.writing.keep()]

    def placed(self) -> None:
        """Homes have moved."""
        self._moved_at = self._now()
        self._knowledge.move()
        self._poked.set()

    async def read(self, users: list[UserId]) -> bool:
        """Read what is kept of these; what is heard meanwhile is newer. False: what is left stays as it is."""
        for start in range(0, len(users), READ):
            some = [user for user in users[start : start + READ] if self._interests.get(user)]
            before = [watched.record if (watched := self._interests.get(user)) else None for user in some]
            waiting = [self.writing.waiting(user) for user in some]
            try:
                records = await self._store.read(some)
            except UnavailableError:
                self._failed()
                return False
            for user, ours, record, earlier in zip(some, waiting, records, before, strict=True):
                self._knowledge.find(user, ours or record, earlier)
        return True

    def _failed(self) -> None:
        self.failures += 1
        self._poked.set()

    async def _beat(self) -> None:
        while True:
            good = await self._renewed()
            await self._judge(good)
            pause = BEAT_S if good else AGAIN_S
            try:
                async with asyncio.timeout(pause):
                    await self._poked.wait()
                # Who pokes often does not make it beat much more often.
                await asyncio.sleep(AGAIN_S)
            except TimeoutError:
                pass
            self._poked.clear()

    async def _renewed(self) -> bool:
        me, knowledge = self._membership.me, self._knowledge
        try:
            held, leases = await self._store.renew(me, self.writing.beat(), list(self._membership.placement.nodes))
            if not held:
                await self.writing.rewrite()
                await self._store.hold(me)
        except UnavailableError:
            self.failures += 1
            return False
        knowledge.leases, earlier = leases | {me}, knowledge.leases
        again = not knowledge.up or not held or knowledge.leases != earlier
        return self._hearing and (not again or await self.read(list(self._interests)))

    async def _judge(self, good: bool) -> None:
        """Whether anything can be told, and of whom."""
        now = self._now()
        if good:
            self._good_at = now
            self._alive_at |= dict.fromkeys(self._knowledge.leases, now)
        was_up = self._knowledge.up
        up = good or (was_up and now - self._good_at < DOWN_S)
        lost = now - self._good_at >= DOWN_S
        if lost != self._lost:
            log.warning("Redis does not answer: presence is unknown") if lost else log.info("presence is known")
        self._lost = lost
        nodes = self._membership.placement.nodes
        alive = frozenset(node for node in nodes if now - self._alive_at.get(node, -DOWN_S) < DOWN_S)
        await self._knowledge.stand_on(Ground(up, alive, now - self._moved_at < MOVING_S))

    async def _listen(self) -> None:
        while True:
            try:
                async with self._store.listening() as heard:
                    self._hearing = True
                    self._numbers.clear()
                    await self.read(list(self._interests))
                    while True:
                        async with asyncio.timeout(DEAF_S):
                            news = await anext(heard)
                        await self._take(news)
            except (UnavailableError, TimeoutError, StopAsyncIteration):
                self._hearing = False
                self._failed()
            await asyncio.sleep(AGAIN_S)

    async def _take(self, news: News) -> None:
        if news.sender == self._membership.me:
            return
        tells = bool(news.records or news.related)
        expected = self._numbers.get(news.sender, news.number - tells) + tells
        self._numbers[news.sender] = news.number
        for user, record in news.records:
            self._knowledge.hear(user, record)
        for a, b in news.related:
            self._rights.look_again(a, b)
        if news.number != expected or news.again:
            await self.read(list(self._interests))
