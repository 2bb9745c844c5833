"""Presence on one node: what its users say of themselves goes to the store, and what all say comes to who watches them.

user actor ─ Stands ─► exchange ─ record + news ─► store ─ news ─► exchange ─► knowledge ─► telling ─ See ─► user actor
user actor ─ Interest, Look ─► interests
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from actors.effects import Address
from actors.user import User
from actors.user_commands import Interest, Look, Looked, See, SetVisible, Standing, Stands, VisibleSet
from persistence.faults import UnavailableError
from persistence.presence.contract import Looking, PresenceStore, Record, Sight, SightStore
from protocol.errors import UNAVAILABLE, Refusal
from protocol.ids import Millis, UserId
from protocol.live import Presence as Seen
from protocol.replies import Done, Watched
from server.cluster.membership import Membership
from server.load import Load
from server.observe import Metrics
from server.population import Population
from server.presence.exchange import Exchange
from server.presence.interests import Interests
from server.presence.knowledge import Knowledge
from server.presence.rights import Rights
from server.presence.telling import Telling, shown, view

FORGET_S = 60.0
LOOKS, LOOK_WITHIN_S = 3, 1.0
"""Looks at once, and how long one waits for its turn, in seconds."""
NOT_SEEN = Sight(seen=False, viewing=False)


class Presence:
    """`store` is None where there is no Redis: then everybody is unknown. `now` is monotonic seconds."""

    def __init__(
        self,
        store: PresenceStore | None,
        sights: SightStore,
        membership: Membership,
        load: Load,
        clock: Callable[[], Millis],
        now: Callable[[], float],
    ) -> None:
        self.interests = Interests()
        self._store = store
        self._sights = sights
        self._membership = membership
        self._load = load
        self._clock = clock
        self._now = now
        self._exchange: Exchange | None = None
        self._looking = asyncio.Semaphore(LOOKS)

    def join(
        self, users: Callable[[], Iterable[tuple[UserId, Standing]]], tell: Callable[[Address, See], None]
    ) -> None:
        """Who is here, offline or not, and how they are told; called once, before anything else."""
        self._users = users
        self._telling = Telling(self.interests, self._sights, self._load, tell)
        self._rights = Rights(self._sights, self.interests, self._telling)
        self._knowledge = Knowledge(self.interests, self._telling, self._membership)
        if self._store:
            self._exchange = Exchange(
                self._store,
                self._membership,
                self._knowledge,
                self._rights,
                self.interests,
                self._everybody,
                self._now,
            )

    def works(self) -> list[Coroutine[None, None, None]]:
        """What has to run, each until cancelled."""
        if self._exchange is None:
            return []
        return [*self._exchange.works(), self._rights.sweep(), self._telling.run(), self._forget_strangers()]

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        exchange, knowledge = self._exchange, self._knowledge
        metrics.gauges |= {
            "tidings_presence_online": ("Users here who are online or idle", lambda: sum(1 for _ in self._everybody())),
            "tidings_presence_watches": ("Pairs of a user here and somebody they watch", lambda: self.interests.pairs),
            "tidings_presence_known": ("1 while Redis answers", lambda: float(knowledge.up)),
        }
        metrics.counters |= {
            "tidings_presence_changes": (
                "Users here who came or went",
                lambda: exchange.writing.written if exchange else 0,
            ),
            "tidings_presence_seen": ("Changes that users here may be told of", lambda: self._telling.told),
            "tidings_presence_told": ("Changes written to sockets", lambda: metrics.presence_told),
            "tidings_presence_failures": (
                "Times that Redis did not answer",
                lambda: exchange.failures if exchange else 0,
            ),
        }

    def placed(self) -> None:
        """Homes have moved."""
        if self._exchange:
            self._exchange.placed()

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
        self._rights.look_again(a, b)
        if self._exchange:
            self._exchange.writing.relate(a, b)

    def _stands(self, user: UserId, standing: Standing) -> None:
        if self._exchange is None or self._membership.home(user) is not None:
            return
        record = self._record(standing)
        self._exchange.writing.write(user, record)
        self._knowledge.hear(user, record)

    def _record(self, standing: Standing) -> Record:
        at = self._clock() if standing.state == "online" else standing.active_at
        return Record(self._membership.me, standing.state, at, standing.conversation)

    def _everybody(self) -> Iterable[tuple[UserId, Record]]:
        return (
            (user, self._record(standing))
            for user, standing in self._users()
            if standing.state != "offline" and self._membership.home(user) is None
        )

    async def _look(self, look: Look) -> Watched | Refusal:
        """Some at a time, so that many who come at once leave the database to others, too."""
        try:
            async with asyncio.timeout(LOOK_WITHIN_S):
                await self._looking.acquire()
        except TimeoutError:
            return UNAVAILABLE
        try:
            return await self._looked(look)
        finally:
            self._looking.release()

    async def _looked(self, look: Look) -> Watched | Refusal:
        try:
            visible = await self._sights.is_visible(look.user)
            if self._exchange:
                unknown = [user for user in look.users if (one := self.interests.get(user)) and not one.known]
                await self._exchange.read(unknown)
            conversations = {user: shown(self.interests.get(user)) for user in look.users}
            looking = [Looking(look.user, conversations)]
            sights = await self._sights.sights(looking) if self._knowledge.up else {}
        except UnavailableError:
            return UNAVAILABLE
        mine = sights.get(look.user, {})
        views = [view(self._knowledge.first_views(user), mine.get(user, NOT_SEEN)) for user in look.users]
        return Watched(tuple(Seen(v.user, v.state, v.last_active_at, v.conversation) for v in views), visible)

    async def _forget_strangers(self) -> None:
        """Whose actor is gone watches nobody."""
        while True:
            await asyncio.sleep(FORGET_S)
            here = {user for user, _ in self._users()} if self.interests.pairs else set()
            for watcher in self.interests.watchers:
                if watcher not in here:
                    self.interests.drop(watcher, self.interests.of(watcher))


def standings(population: Population) -> Iterable[tuple[UserId, Standing]]:
    """How everybody stands whose actor is here."""
    for actor in population.actors("user"):
        if isinstance(actor, User):
            yield actor.id, actor.standing
