"""Telling: users of this node learn how those stand whom they watch, as far as they may see it at that moment."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from actors.effects import Address, user_address
from actors.user_commands import See
from persistence.faults import UnavailableError
from persistence.presence.contract import Looking, Sight, SightStore
from protocol.codec import Encoded
from protocol.ids import ConversationId, UserId
from protocol.live import PresenceChanged
from server.load import Load, Sheds
from server.outage import Outage
from server.presence.interests import Interests, Watched
from server.presence.views import without_conversation

PAIRS = 500
AGAIN_S = 0.5


class Telling:
    """`tell` gives a command to a user at home here, if they are. `told` counts what watchers were handed.

    While there is too much to do nobody is told anything; then how those stand who have changed.
    Nothing is told of anybody that was not looked up just before: so no state leaves on rights that are gone.
    """

    def __init__(
        self, interests: Interests, sights: SightStore, load: Load, tell: Callable[[Address, See], None]
    ) -> None:
        self.told = 0
        self._interests = interests
        self._sights = sights
        self._load = load
        self._tell = tell
        # Whose watchers are to be told of them, and who is to be told of all whom they watch.
        self._seen: dict[UserId, None] = {}
        self._watchers: dict[UserId, None] = {}
        self._work = asyncio.Event()
        self._outage = Outage("who may see whom is not known for now")

    def changed(self, user: UserId) -> None:
        """Whoever watches this user is to be told how they are seen now."""
        self._seen[user] = None
        self._work.set()

    def look_again(self, watcher: UserId) -> None:
        """This user is to be told of all whom they watch."""
        self._watchers[watcher] = None
        self._work.set()

    def unknown(self, users: Iterable[UserId]) -> None:
        """Nobody can tell of these any more: no right is needed to be told that."""
        for user in users:
            watched = self._interests.get(user)
            if self._shed:
                self.changed(user)
            elif watched and watched.views:
                encoded = Encoded(watched.views[1])
                for watcher in watched.watchers:
                    self._hand(watcher, encoded)

    async def run(self) -> None:
        """Tell until cancelled. What Postgres does not answer for now is told later."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._seen or self._watchers:
                    if self._shed:
                        await asyncio.sleep(AGAIN_S)
                    else:
                        await self._tell_some()
                self._outage.is_over()
            except UnavailableError as fault:
                self._outage.goes_on(fault)
                self._work.set()
                await asyncio.sleep(AGAIN_S)

    @property
    def _shed(self) -> bool:
        return self._load.sheds >= Sheds.PRESENCE

    async def _tell_some(self) -> None:
        for user, sights in (await self._looked(self._seen, self._watchers_of)).items():
            self._tell_of(user, sights)
        for watcher, sights in (await self._looked(self._watchers, self._watched_by)).items():
            for user, sight in sights.items():
                self._tell_of(user, {watcher: sight})

    async def _looked(
        self, waiting: dict[UserId, None], others: Callable[[UserId], dict[UserId, ConversationId | None]]
    ) -> dict[UserId, dict[UserId, Sight]]:
        """What some of those who wait may see; they wait on when it is not known. Raises `UnavailableError`."""
        looks: list[Looking] = []
        while waiting and sum(len(look.others) for look in looks) < PAIRS:
            user = next(iter(waiting))
            del waiting[user]
            looks.append(Looking(user, others(user)))
        try:
            return await self._sights.sights([look for look in looks if look.others])
        except BaseException:
            waiting |= dict.fromkeys(look.user for look in looks)
            raise

    def _watchers_of(self, user: UserId) -> dict[UserId, ConversationId | None]:
        watched = self._interests.get(user)
        return dict.fromkeys(watched.watchers, shown(watched)) if watched else {}

    def _watched_by(self, watcher: UserId) -> dict[UserId, ConversationId | None]:
        return {user: shown(self._interests.get(user)) for user in self._interests.of(watcher)}

    def _tell_of(self, user: UserId, sights: Mapping[UserId, Sight]) -> None:
        """Each encoding is made once for all who are told the same."""
        watched = self._interests.get(user)
        if watched is None or watched.views is None:
            return
        encoded: dict[Sight, Encoded] = {}
        for watcher, sight in sights.items():
            if watcher in watched.watchers:
                if sight not in encoded:
                    encoded[sight] = Encoded(view(watched.views, sight))
                self._hand(watcher, encoded[sight])

    def _hand(self, watcher: UserId, encoded: Encoded) -> None:
        self.told += 1
        self._tell(user_address(watcher), See(encoded))


def shown(watched: Watched | None) -> ConversationId | None:
    """The conversation that they are known to look at."""
    return watched.record.conversation if watched and watched.record else None


def view(views: tuple[PresenceChanged, PresenceChanged], sight: Sight) -> PresenceChanged:
    """What is seen by whoever may see so much."""
    seen, not_seen = views
    if not sight.seen:
        return not_seen
    return seen if sight.viewing else without_conversation(seen)
