"""Presence on one node: what its users say of themselves goes to the store, and what all say comes to who watches them.

    user actor ─ Stands ─► writing ─ record + news ─► store ─ news ─► interests ─► telling ─ See ─► user actor
    user actor ─ Interest, Look ─────────────────────────────────────► interests

Loss of the store heals by itself. Every node has a lease in it: whose lease is gone when it comes to renew it writes
everything again before it takes another. News are numbered: where one is missing, everything watched is read again.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from msgspec.structs import replace

from actors.effects import Address
from actors.user import User
from actors.user_commands import Interest, Look, Looked, See, SetVisible, Standing, Stands, VisibleSet
from persistence.faults import UnavailableError
from persistence.presence.contract import Looking, News, PresenceStore, Record, Sight, SightStore
from protocol.errors import UNAVAILABLE
from protocol.events import Presence as Seen
from protocol.events import PresenceChanged
from protocol.ids import Millis, UserId
from protocol.replies import Done, Watched
from server.cluster.membership import Membership
from server.observe import Metrics
from server.population import Population
from server.presence.interests import Interests
from server.presence.telling import Telling, shown, view
from server.presence.views import Ground, seen
from server.presence.writing import Writing

BEAT_S = 2.0
AGAIN_S = 0.2
DEAF_S = 5.0
"""So long after nothing was heard, not even this node itself, it listens anew."""
DOWN_S = 3.0
"""So long the store may be away before those who are watched are told to be unknown."""
MOVING_S = 10.0
"""So long after a change of homes whoever has not come to the new one counts as being where they were."""
LATELY_MS = 15_000
"""Statements that began longer ago have ended."""
READ = 500
SLICE = 20
STRANGERS_EVERY = 30
NOT_SEEN = Sight(seen=False, viewing=False)

log = structlog.get_logger()


class Presence:
    """`store` is None where there is no Redis: then everybody is unknown. `now` is monotonic seconds.

    It is up while it beats and hears: it renews its lease, and what others say comes in.
    """

    def __init__(
        self,
        store: PresenceStore | None,
        sights: SightStore,
        membership: Membership,
        clock: Callable[[], Millis],
        now: Callable[[], float],
    ) -> None:
        self.failures = 0
        self.interests = Interests()
        self._store = store
        self._sights = sights
        self._membership = membership
        self._clock = clock
        self._now = now
        self._up = self._hearing = self._moved = False
        self._good_at = self._moved_at = now()
        self._ground = Ground(False, frozenset(), True)
        # Whose leases counted when this node last looked, and when each did last.
        self._leases: set[str] = set()
        self._alive_at: dict[str, float] = {}
        self._numbers: dict[str, int] = {}
        self._poked = asyncio.Event()

    def join(
        self, users: Callable[[], Iterable[tuple[UserId, Standing]]], tell: Callable[[Address, See], None]
    ) -> None:
        """Who is here, offline or not, and how they are told; called once, before anything else."""
        self._users = users
        self.telling = Telling(self.interests, self._sights, tell)
        if self._store:
            self.writing = Writing(self._membership.me, self._store, self._everybody, self._failed)

    def works(self) -> list[Any]:
        """What has to run, each until cancelled."""
        if self._store is None:
            return []
        return [
            self._beat(self._store),
            self._listen(self._store),
            self._sweep(),
            self.writing.run(),
            self.writing.keep(),
            self.telling.run(),
        ]

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        writing = self.writing if self._store else None
        metrics.gauges |= {
            "tidings_presence_online": ("Users here who are online or idle", lambda: sum(1 for _ in self._everybody())),
            "tidings_presence_watches": ("Pairs of a user here and somebody they watch", lambda: self.interests.pairs),
            "tidings_presence_known": ("1 while Redis answers", lambda: float(self._up)),
        }
        metrics.counters |= {
            "tidings_presence_changes": ("Users here who came or went", lambda: writing.written if writing else 0),
            "tidings_presence_seen": ("Changes that users here may be told of", lambda: self.telling.told),
            "tidings_presence_told": ("Changes written to sockets", lambda: metrics.presence_told),
            "tidings_presence_failures": ("Times that Redis did not answer", lambda: self.failures),
        }

    # -- from users -------------------------------------------------------------------------------------------------

    def tell(self, command: Stands | Interest) -> None:
        """What a user at home here says."""
        match command:
            case Stands():
                self._stands(command.user, command.standing)
            case Interest():
                self.interests.drop(command.user, command.dropped)
                self.interests.add(command.user, command.added)

    async def ask(self, question: Look | SetVisible) -> Looked | VisibleSet:
        """What a user asks; never raises."""
        match question:
            case Look():
                return Looked(question.asked, await self._look(question))
            case SetVisible():
                try:
                    await self._sights.set_visible(question.user, question.visible)
                except UnavailableError:
                    return VisibleSet(question.asked, UNAVAILABLE)
                self.related(question.user, None)
                return VisibleSet(question.asked, Done())

    def related(self, a: UserId, b: UserId | None) -> None:
        """What these two may see of each other has changed; or what anybody and `a` may. Every node looks again."""
        self._look_again(a, b)
        if self._store:
            self.writing.relate(a, b)

    def _stands(self, user: UserId, standing: Standing) -> None:
        if self._store is None or self._membership.home(user) is not None:
            return
        record = self._record(standing)
        self.writing.write(user, record)
        self._hear(user, record)

    def _record(self, standing: Standing) -> Record:
        at = self._clock() if standing.state == "online" else standing.active_at
        return Record(self._membership.me, standing.state, at, standing.conversation)

    def _everybody(self) -> Iterable[tuple[UserId, Record]]:
        return (
            (user, self._record(standing))
            for user, standing in self._users()
            if standing.state != "offline" and self._membership.home(user) is None
        )

    async def _look(self, look: Look) -> Any:
        try:
            visible = await self._sights.is_visible(look.user)
            await self._read([user for user in look.users if (one := self.interests.get(user)) and not one.known])
            conversations = {user: shown(self.interests.get(user)) for user in look.users}
            sights = await self._sights.sights([Looking(look.user, conversations)]) if self._up else {}
        except UnavailableError:
            return UNAVAILABLE
        mine = sights.get(look.user, {})
        views = [view(self._first_views(user), mine.get(user, NOT_SEEN)) for user in look.users]
        return Watched(tuple(Seen(v.user, v.state, v.last_active_at, v.conversation) for v in views), visible)

    # -- what is known ----------------------------------------------------------------------------------------------

    def _views(self, user: UserId) -> tuple[PresenceChanged, PresenceChanged]:
        """How this user is seen by those who may, and by those who may not."""
        watched = self.interests.get(user)
        record = watched.record if watched else None
        known = watched is None or watched.known
        ground = self._ground if known else replace(self._ground, up=False)
        home = self._membership.placement.node_of(user)
        return seen(user, record, home, ground), seen(user, None, home, ground)

    def _first_views(self, user: UserId) -> tuple[PresenceChanged, PresenceChanged]:
        """The same, as the first that anybody here is told of them."""
        views = self._views(user)
        if (watched := self.interests.get(user)) and watched.views is None:
            watched.views = views
        return views

    def _hear(self, user: UserId, record: Record | None) -> None:
        watched = self.interests.get(user)
        if watched is None:
            return
        watched.record, watched.known = record, True
        if watched.views is not None:
            self._reconsider([user])

    def _reconsider(self, users: Iterable[UserId]) -> None:
        for user in users:
            watched = self.interests.get(user)
            if watched and watched.views and watched.views != (views := self._views(user)):
                watched.views = views
                if self._up:
                    self.telling.changed(user)
                else:
                    self.telling.unknown([user])

    async def _read(self, users: list[UserId]) -> bool:
        """Read what is kept of these; what is heard meanwhile is newer. False: what is left stays as it is."""
        if self._store is None:
            return False
        for start in range(0, len(users), READ):
            some = [user for user in users[start : start + READ] if self.interests.get(user)]
            before = [watched.record if (watched := self.interests.get(user)) else None for user in some]
            waiting = [self.writing.waiting(user) for user in some]
            try:
                records = await self._store.read(some)
            except UnavailableError:
                self._failed()
                return False
            for user, ours, record, earlier in zip(some, waiting, records, before, strict=True):
                self._found(user, ours or record, earlier)
        return True

    def _found(self, user: UserId, record: Record | None, earlier: Record | None) -> None:
        """Where nothing is kept any more, what is known here holds of those who are offline, and while their home has
        not written again."""
        watched = self.interests.get(user)
        if watched is None or watched.record is not earlier:
            return
        if record is None and earlier is not None:
            home = self._membership.placement.node_of(user)
            lost = earlier.state == "offline" or home not in self._leases
            record = earlier if lost else None
        self._hear(user, record)

    # -- the store --------------------------------------------------------------------------------------------------

    def placed(self) -> None:
        """Homes have moved."""
        self._moved_at, self._moved = self._now(), True
        self._ground = replace(self._ground, moving=True)
        self._poked.set()

    def _failed(self) -> None:
        self.failures += 1
        self._poked.set()

    async def _beat(self, store: PresenceStore) -> None:
        while True:
            good = await self._renewed(store)
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

    async def _renewed(self, store: PresenceStore) -> bool:
        me = self._membership.me
        try:
            held, leases = await store.renew(me, self.writing.beat(), list(self._membership.placement.nodes))
            if not held:
                await self.writing.rewrite()
                await store.hold(me)
        except UnavailableError:
            self.failures += 1
            return False
        self._leases, earlier = leases | {me}, self._leases
        again = not self._up or not held or self._leases != earlier
        return self._hearing and (not again or await self._read(list(self.interests)))

    async def _judge(self, good: bool) -> None:
        """Whether anything can be told, and of whom. Others have their turn while everybody is looked at again."""
        now = self._now()
        if good:
            self._good_at = now
            self._alive_at |= dict.fromkeys(self._leases, now)
        up = good or (self._up and now - self._good_at < DOWN_S)
        if up != self._up:
            log.info("presence is known") if up else log.warning("Redis does not answer: presence is unknown")
        nodes = self._membership.placement.nodes
        alive = frozenset(node for node in nodes if now - self._alive_at.get(node, -DOWN_S) < DOWN_S)
        ground = Ground(up, alive, now - self._moved_at < MOVING_S)
        if ground != self._ground or self._moved:
            self._up, self._ground, self._moved = up, ground, False
            everybody = list(self.interests)
            for start in range(0, len(everybody), SLICE):
                self._reconsider(everybody[start : start + SLICE])
                await asyncio.sleep(0)

    async def _listen(self, store: PresenceStore) -> None:
        while True:
            try:
                async with store.listening() as heard:
                    self._hearing = True
                    self._numbers.clear()
                    await self._read(list(self.interests))
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
            self._hear(user, record)
        for a, b in news.related:
            self._look_again(a, b)
        if news.number != expected or news.again:
            await self._read(list(self.interests))

    # -- rights -----------------------------------------------------------------------------------------------------

    def _look_again(self, a: UserId, b: UserId | None) -> None:
        if b is None:
            self.telling.changed(a)
            self.telling.look_again(a)
        elif a in self.interests.of(b) or b in self.interests.of(a):
            self.telling.changed(a)
            self.telling.changed(b)

    async def _sweep(self) -> None:
        """Whoever blocked somebody or hid themselves lately is looked at again, though the word of it may be lost."""
        done: set[tuple[UserId, UserId | None]] = set()
        for number in itertools.count(1):
            await asyncio.sleep(BEAT_S)
            try:
                lately = set(await self._sights.changed(LATELY_MS))
            except UnavailableError:
                continue
            for a, b in lately - done:
                self._look_again(a, b)
            done = lately
            if number % STRANGERS_EVERY == 0:
                self._forget_strangers()

    def _forget_strangers(self) -> None:
        """Whose actor is gone watches nobody."""
        here = {user for user, _ in self._users()} if self.interests.pairs else set()
        for watcher in self.interests.watchers:
            if watcher not in here:
                self.interests.drop(watcher, self.interests.of(watcher))


def standings(population: Population) -> Iterable[tuple[UserId, Standing]]:
    """How everybody stands whose actor is here."""
    for actor in population.actors("user"):
        if isinstance(actor, User):
            yield actor.id, actor.standing
