"""A user's part of presence: whether they are here, and what they are told of those whom they watch."""

from collections.abc import Sequence

import msgspec

from actors.effects import PRESENCE, PRESENCE_STORE, Effect, Reply, Tell, Wake
from actors.sessions import Sessions
from actors.user_commands import Interest, Look, Looked, Standing, Stands, Watch
from actors.watchers import Screen, Watchers
from protocol.codec import Encoded
from protocol.errors import UNAVAILABLE
from protocol.ids import Millis, UserId
from protocol.live import PresenceChanged
from protocol.replies import Watched

GRACE, SEEN = "grace", "seen"
"""Keys of timers: a device may have been away for long; what was seen may be told."""
OFFLINE, ONLINE = Standing("offline"), Standing("online")


class UserPresence(msgspec.Struct, gc=False, eq=False):
    """Of one user. `standing` is how they stand, as it was told last.

    `active_at`: when a device was last in the foreground that is not any more. Who watches nobody has no `watchers`.
    """

    user: UserId
    standing: Standing = OFFLINE
    active_at: Millis = Millis(0)
    watchers: Watchers | None = None

    def stand(self, sessions: Sessions, kept_ms: int, now: Millis) -> list[Effect]:
        """Tell how this user stands if that has changed, and look again when a device may have been away for long.

        `kept_ms` is how long sessions are kept.
        """
        state = sessions.standing(now, kept_ms)
        on_screen = self.watchers.conversation if self.watchers and state == "online" else None
        standing = Standing(state, Millis(0) if state == "online" else self.active_at, on_screen)
        effects: list[Effect] = []
        if standing != self.standing:
            self.standing = ONLINE if standing == ONLINE else standing
            effects.append(Tell(PRESENCE, Stands(self.user, standing)))
        if state != "offline" and (end := sessions.next_grace_end(now, kept_ms)):
            effects.append(Wake(end, GRACE))
        return effects

    def show(self, connection: int, screen: Screen | None) -> list[Effect]:
        """The connection shows this from now on; None: nothing, or it is gone."""
        if self.watchers is None:
            if screen is None:
                return []
            self.watchers = Watchers()
        added, dropped = self.watchers.watch(connection, screen)
        if not self.watchers:
            self.watchers = None
        return [Tell(PRESENCE, Interest(self.user, tuple(added), tuple(dropped)))] if added or dropped else []

    def watch(self, command: Watch, sessions: Sessions) -> list[Effect]:
        """Answered when the store has been asked; a connection that is gone is refused."""
        asked, users = command.request, tuple(dict.fromkeys(command.users))
        if sessions.of_connection(asked.connection) is None:
            return [Reply(asked, UNAVAILABLE)]
        screen = Screen(frozenset(users), command.conversation) if users or command.conversation else None
        effects = self.show(asked.connection, screen)
        if not users:
            return [*effects, Reply(asked, Watched(()))]
        return [*effects, Tell(PRESENCE_STORE, Look(self.user, asked, users))]

    def looked(self, looked: Looked) -> list[Effect]:
        """The store has answered."""
        if self.watchers and isinstance(looked.result, Watched):
            seen = (PresenceChanged(*msgspec.structs.astuple(presence)) for presence in looked.result.users)
            self.watchers.begin(list(seen))
        return [Reply(looked.asked, looked.result)]

    def see(self, encoded: Encoded, now: Millis) -> Sequence[Encoded]:
        """Somebody is seen like this: what is to be told of it now; `wake` is for what waits."""
        told = self.watchers.see(encoded, now) if self.watchers else None
        return (told,) if told else ()

    def due(self, now: Millis) -> Sequence[Encoded]:
        """What waited until now, like `see`."""
        return self.watchers.due(now) if self.watchers else ()

    def shows(self, connection: int, user: UserId) -> bool:
        """The connection shows this person."""
        return self.watchers is not None and self.watchers.shows(connection, user)

    def wake(self) -> list[Effect]:
        """For what waits to be told."""
        at = self.watchers.next_at() if self.watchers else None
        return [] if at is None else [Wake(at, SEEN)]
