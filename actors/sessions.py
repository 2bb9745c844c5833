"""Sessions: a user's devices, how far each has got in the stream, and whether its socket takes more."""

from collections.abc import Iterator

from protocol.codec import Encoded
from protocol.ids import Millis

MOST = 32


class Session:
    """One device. `connection` is 0 while it is away; then `claim_until` says how long the ring is kept for it.

    `sent` is the last `u` written to the connection, `acked` the last one the device has stored. A session that is not
    `flowing` has a backlog: a position in the ring, not bytes in a buffer.
    """

    __slots__ = (
        "acked",
        "background",
        "backlog",
        "claim_until",
        "connection",
        "device",
        "flowing",
        "owes_synced",
        "reading",
        "sent",
        "stuck_since",
        "waiting",
    )

    def __init__(self, device: str) -> None:
        self.device = device
        self.claim_until = Millis(0)
        self.attach(0, 0, 0, background=False)

    def attach(self, connection: int, u: int, backlog: int, *, background: bool) -> None:
        """The device goes on from `u`: so far it has stored. `backlog` is the bytes from there to the head."""
        self.connection = connection
        self.acked = self.sent = u
        self.backlog = backlog
        self.background = background
        self.flowing = self.reading = self.owes_synced = False
        # When the budget was passed or, later, the last slice was sent; None within the budget.
        self.stuck_since: Millis | None = None
        # Live events that wait for the socket, newest per key.
        self.waiting: dict[object, Encoded] | None = None

    def leave(self, claim_until: Millis) -> None:
        """The connection is gone; what the device has not stored is kept for it."""
        self.attach(0, self.acked, 0, background=self.background)
        self.claim_until = claim_until

    @property
    def held(self) -> int:
        """Bytes that count against the connection's budget."""
        return self.backlog + sum(encoded.size for encoded in self.waiting.values()) if self.waiting else self.backlog

    def fall_behind(self, bytes: int, budget: int) -> None:
        """One more durable event waits in the ring; past three quarters of `budget` live ones give way."""
        self.backlog += bytes
        if self.waiting and self.held * 4 > budget * 3:
            self.take_waiting()

    def keep(self, key: object, encoded: Encoded, budget: int) -> None:
        """Hold a live event back in place of an older one of its key; past three quarters of `budget` drop both."""
        if self.waiting is None:
            self.waiting = {}
        self.waiting.pop(key, None)
        if (self.held + encoded.size) * 4 <= budget * 3:
            self.waiting[key] = encoded

    def take_waiting(self) -> list[Encoded]:
        waiting = list(self.waiting.values()) if self.waiting else []
        self.waiting = None
        return waiting


class Sessions:
    """The devices of one user; few, so a list is searched."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: list[Session] = []

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of_device(self, device: str) -> Session | None:
        return next((session for session in self._all if session.device == device), None)

    def of_connection(self, connection: int) -> Session | None:
        return next((session for session in self._all if session.connection == connection), None)

    def add(self, device: str) -> Session | None:
        """A new session; the longest absent one makes room. None when `MOST` devices are connected."""
        if len(self._all) >= MOST:
            away = [session for session in self._all if not session.connection]
            if not away:
                return None
            self._all.remove(min(away, key=lambda session: session.claim_until))
        session = Session(device)
        # A list made at once is 24 bytes smaller than one that grew.
        self._all = [*self._all, session]
        return session

    def remove(self, session: Session) -> None:
        self._all.remove(session)

    def expire(self, now: Millis) -> None:
        """Forget devices whose claim on the ring has run out."""
        self._all = [session for session in self._all if session.connection or session.claim_until > now]

    def claims(self) -> list[Millis]:
        return [session.claim_until for session in self._all if not session.connection]

    def acked(self, otherwise: int) -> int:
        """The number up to which every device has stored."""
        return min((session.acked for session in self._all), default=otherwise)
