"""What a user can be told, what it asks the store, and what it tells a connection."""

from msgspec import Struct

from actors.effects import Asked, Woken
from protocol.codec import Encoded
from protocol.events import Snapshot
from protocol.ids import UserId
from protocol.replies import Limits
from protocol.requests import Resume


class Policy(Struct, frozen=True, gc=False):
    """What a node allows its users: milliseconds and bytes; `limits` are told in hello."""

    resume_ms: int
    ping_ms: int
    background_ping_ms: int
    send_budget: int
    ring_bytes: int
    limits: Limits


class Attach(Struct, frozen=True, gc=False):
    """A connection has proved who it is."""

    request: Asked
    device: str
    resume: Resume | None
    snapshot: bool
    background: bool


class Reattach(Struct, frozen=True, gc=False):
    """A connection that outlived an earlier actor of this user."""

    connection: int
    device: str
    background: bool
    request: None = None


class Detach(Struct, frozen=True, gc=False):
    """The connection is gone; `goodbye`: the client will not resume."""

    connection: int
    goodbye: bool
    request: None = None


class Delivered(Struct, frozen=True, gc=False):
    """Something for this user: numbered if it is durable, passed on if it is live."""

    encoded: Encoded
    request: None = None


class Acked(Struct, frozen=True, gc=False):
    connection: int
    epoch: str
    u: int
    request: None = None


class Drained(Struct, frozen=True, gc=False):
    """The connection's socket takes more."""

    connection: int
    request: None = None


class Filled(Struct, frozen=True, gc=False):
    """The connection's socket takes no more for now."""

    connection: int
    request: None = None


class SetBackground(Struct, frozen=True, gc=False):
    request: Asked
    on: bool


class Shed(Struct, frozen=True, gc=False):
    """Memory is short: keep no more than so many bytes for whoever is behind or away."""

    ring_bytes: int
    request: None = None


class ReadSnapshot(Struct, frozen=True, gc=False):
    """To the store: what a new session of `user` starts from. Comes back as `SnapshotRead`."""

    user: UserId
    connection: int


class SnapshotRead(Struct, frozen=True, gc=False):
    """`snapshot` is None when it could not be read: the connection is closed and tries again."""

    connection: int
    snapshot: Snapshot | None
    request: None = None


class Report(Struct, frozen=True, gc=False):
    """To a connection: say `Drained` as soon as its socket takes more."""


UserCommand = (
    Attach | Reattach | Detach | Delivered | Acked | Drained | Filled | SetBackground | Shed | SnapshotRead | Woken
)
