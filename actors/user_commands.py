"""What a user can be told, what it asks the store, and what it tells a connection."""

from typing import Literal

from msgspec import Struct

from actors.effects import Asked, Woken
from protocol.codec import Encoded
from protocol.errors import Refusal
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Done, Limits, Watched
from protocol.requests import Resume
from protocol.session import Snapshot


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
    """Something for this user: numbered if it is durable, passed on if it is live.

    With `only`, what is live is for that connection: others of the user have it.
    """

    encoded: Encoded
    only: int = 0
    request: None = None


class Acked(Struct, frozen=True, gc=False):
    """The device has stored what it was told up to `u` of this epoch."""

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
    """The device is out of sight, or back."""

    request: Asked
    on: bool


class Related(Struct, frozen=True, gc=False):
    """This user and somebody have become something else to each other: who was seen may not be any more."""

    request: None = None


class PostGone(Struct, frozen=True, gc=False):
    """A `PostRemoved`: whom it waits for hears nothing of the post any more. `connection` shows it and is told so; 0:
    none does."""

    removed: Encoded
    connection: int = 0
    request: None = None


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


class Watch(Struct, frozen=True, gc=False):
    """A connection shows these people, and this conversation."""

    request: Asked
    users: tuple[UserId, ...]
    conversation: ConversationId | None


class Show(Struct, frozen=True, gc=False):
    """Whether others may see when this user is here."""

    request: Asked
    visible: bool


class Look(Struct, frozen=True, gc=False):
    """To the store of presence: what `user` may see of these people. Comes back as `Looked`."""

    user: UserId
    asked: Asked
    users: tuple[UserId, ...]


class Looked(Struct, frozen=True, gc=False):
    """What was asked for, or why it cannot be told."""

    asked: Asked
    result: Watched | Refusal
    request: None = None


class SetVisible(Struct, frozen=True, gc=False):
    """To the store of presence. Comes back as `VisibleSet`."""

    user: UserId
    asked: Asked
    visible: bool


class VisibleSet(Struct, frozen=True, gc=False):
    """What became of `SetVisible`; whoever asked is answered with `result`."""

    asked: Asked
    result: Done | Refusal
    request: None = None


class See(Struct, frozen=True, gc=False):
    """How somebody is seen who is watched by this user: a `PresenceChanged`."""

    encoded: Encoded
    request: None = None


class Standing(Struct, frozen=True, gc=False):
    """Whether a user is here; `active_at` is when they last were in the foreground and are not, 0 when not known."""

    state: Literal["online", "idle", "offline"]
    active_at: Millis = Millis(0)
    conversation: ConversationId | None = None


class Stands(Struct, frozen=True, gc=False):
    """To presence: this is how `user` stands from now on."""

    user: UserId
    standing: Standing


class Interest(Struct, frozen=True, gc=False):
    """To presence: whom `user` watches since, and whom no more."""

    user: UserId
    added: tuple[UserId, ...]
    dropped: tuple[UserId, ...]


class Report(Struct, frozen=True, gc=False):
    """To a connection: say `Drained` as soon as its socket takes more."""


UserCommand = (
    Attach
    | Reattach
    | Detach
    | Delivered
    | Acked
    | Drained
    | Filled
    | SetBackground
    | Shed
    | SnapshotRead
    | Watch
    | Show
    | Looked
    | VisibleSet
    | See
    | Related
    | PostGone
    | Woken
)
