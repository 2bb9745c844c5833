"""Sessions: a user's devices, how far each has got in the stream, and whether its socket takes more."""

from collections.abc import Set
from typing import Literal, Self

from msgspec import Struct

from protocol.codec import Encoded
from protocol.ids import ConversationId, Millis
from protocol.live import LiveEvent

Key = tuple[str, ...]
"""By which a newer live event takes the place of an older one that waits (`LiveEvent.key`)."""

MOST = 32
GRACE_MS = 15_000
"""A socket that is lost may come back."""


class Behind:
    """What a connection is owed that does not take more right now: a position in the ring, not bytes in a buffer."""

    __slots__ = ("backlog", "owes_synced", "reading", "stuck_since", "waiting")

    def __init__(self, backlog: int, *, reading: bool = False, owes_synced: bool = False) -> None:
        # Bytes in the ring from the session's position to the head.
        self.backlog = backlog
        # Its snapshot is being read.
        self.reading = reading
        self.owes_synced = owes_synced
        # When the budget was passed or, later, the last slice was sent; None within the budget.
        self.stuck_since: Millis | None = None
        # Live events that wait for the socket, newest per key.
        self.waiting: dict[Key, Encoded] | None = None

    @property
    def held(self) -> int:
        """Bytes that count against the connection's budget."""
        return self.backlog + sum(encoded.size for encoded in self.waiting.values()) if self.waiting else self.backlog

    def add(self, bytes: int, budget: int) -> None:
        """One more durable event waits in the ring; past three quarters of `budget` live ones give way."""
        self.backlog += bytes
        if self.waiting and self.held * 4 > budget * 3:
            self.take_waiting()

    def keep(self, key: Key, encoded: Encoded, budget: int) -> None:
        """Hold a live event back in place of an older one of its key; past three quarters of `budget` drop both."""
        if self.waiting is None:
            self.waiting = {}
        self.waiting.pop(key, None)
        if (self.held + encoded.size) * 4 <= budget * 3:
            self.waiting[key] = encoded

    def forget_sights(self) -> None:
        """Drop live events that show somebody: who may still be seen is asked about with the next one."""
        waiting = self.waiting or {}
        self.waiting = {key: one for key, one in waiting.items() if not _is_sight(one.event)} or None

    def forget(self, key: Key) -> None:
        """Drop the live event of this key: it is not true any more."""
        if self.waiting:
            self.waiting.pop(key, None)

    def take_waiting(self) -> list[Encoded]:
        waiting = list(self.waiting.values()) if self.waiting else []
        self.waiting = None
        return waiting


def _is_sight(event: object) -> bool:
    return isinstance(event, LiveEvent) and event.is_sight


class Session(Struct, gc=False, eq=False):
    """One device. `connection` is 0 while it is away; then `claim_until` says how long the ring is kept for it.

    `sent` is the last `u` written to the connection, `acked` the last one the device has stored. A connection that is
    not `behind` takes events as they come.
    """

    device: str
    connection: int = 0
    acked: int = 0
    sent: int = 0
    behind: Behind | None = None
    background: bool = False
    # What the ring let go of after it was sent and before it was acked: the last message of others per conversation.
    unacked: dict[ConversationId, int] | None = None
    claim_until: Millis = Millis(0)

    def attach(self, connection: int, u: int, behind: Behind | None, *, background: bool) -> None:
        """The device goes on from `u`: so far it has stored."""
        self.connection = connection
        self.acked = self.sent = u
        self.behind = behind
        self.background = background
        self.unacked = None

    def leave(self, claim_until: Millis) -> None:
        """The connection is gone; what the device has not stored is kept for it."""
        self.connection = 0
        self.sent = self.acked
        self.behind = None
        self.claim_until = claim_until


class Sessions(tuple[Session, ...]):
    """The devices of one user: few, so they are searched; a tuple, since most users have one and there are many."""

    __slots__ = ()

    def of_device(self, device: str) -> Session | None:
        return next((session for session in self if session.device == device), None)

    def of_connection(self, connection: int) -> Session | None:
        return next((session for session in self if session.connection == connection), None)

    def joined(self, device: str, acked: int) -> Self | None:
        """With a new session, the last; the longest absent one makes room. None when `MOST` devices are connected."""
        if len(self) < MOST:
            return type(self)((*self, Session(device, acked=acked)))
        away = [session for session in self if not session.connection]
        return self.without(min(away, key=lambda session: session.claim_until)).joined(device, acked) if away else None

    def without(self, gone: Session) -> Self:
        return type(self)(session for session in self if session is not gone)

    def alive(self, now: Millis) -> Self:
        """Without the devices whose claim on the ring has run out."""
        return type(self)(session for session in self if session.connection or session.claim_until > now)

    def forget_sights(self) -> None:
        """Of what waits for sockets, keep nothing that shows somebody."""
        for session in self:
            if session.behind:
                session.behind.forget_sights()

    def forget(self, key: Key) -> None:
        """Of what waits for sockets, keep nothing of this key."""
        for session in self:
            if session.behind:
                session.behind.forget(key)

    def keep(self, keys: Set[Key]) -> set[Key]:
        """Those of these keys of which something waits for a socket."""
        kept = set[Key]()
        for session in self:
            if session.behind and session.behind.waiting:
                kept |= keys & session.behind.waiting.keys()
        return kept

    def claims(self) -> list[Millis]:
        return [session.claim_until for session in self if not session.connection]

    def standing(self, now: Millis, kept_ms: int) -> Literal["online", "idle", "offline"]:
        """Whether its user is here: a device whose socket was lost counts for `GRACE_MS`; sessions are `kept_ms`."""
        here = [session for session in self if session.connection or self._grace_end(session, kept_ms) > now]
        if any(not session.background for session in here):
            return "online"
        return "idle" if here else "offline"

    def next_grace_end(self, now: Millis, kept_ms: int) -> Millis | None:
        """When the next of the devices that are away counts no more."""
        ends = (self._grace_end(session, kept_ms) for session in self if not session.connection)
        return min((end for end in ends if end > now), default=None)

    def _grace_end(self, session: Session, kept_ms: int) -> Millis:
        return Millis(session.claim_until - kept_ms + min(GRACE_MS, kept_ms))

    def acked(self, otherwise: int) -> int:
        """The number up to which every device has stored."""
        return min((session.acked for session in self), default=otherwise)
