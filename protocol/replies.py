"""Replies: the `ok` of each op, and the frame around it."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.conversations import Conversation, Gone
from protocol.counts import PostCounts
from protocol.errors import Refusal
from protocol.events import AnyLogEvent
from protocol.ids import Millis, UserId
from protocol.live import Presence
from protocol.notifications import Notifications
from protocol.posts import Posts
from protocol.preferences import Preferences
from protocol.trays import Tray


class Limits(Struct, frozen=True, gc=False):
    """What one connection may do before it is refused as `rate_limited`."""

    message_bytes: int
    requests_per_s: int
    burst: int
    typing_per_s: float


class Welcome(Struct, frozen=True, gc=False):
    """`ok` of `hello`. `u` is the stream's position, taken before any data is read."""

    session: str
    user: UserId
    epoch: str
    u: int
    outcome: Literal["fresh", "resumed", "resync"]
    ping_ms: int
    now: Millis
    limits: Limits


class Sent(Struct, frozen=True, gc=False, omit_defaults=True):
    """`ok` of what takes a place in a log: durable at `c`. `dup`: an earlier request with this `cid` did it."""

    c: int
    at: Millis
    dup: bool = False


class Opened(Struct, frozen=True, gc=False, omit_defaults=True):
    """The conversation that was asked for. `dup`: an earlier request with this `cid` made it."""

    conversation: Conversation
    dup: bool = False


class Conversations(Struct, frozen=True, gc=False):
    """A page of conversations; `next` is there when it goes on."""

    items: list[Conversation]
    next: str | UnsetType = UNSET


class Marks(Struct, frozen=True, gc=False, omit_defaults=True):
    """How far one member has got, as far as they let it be seen."""

    user: UserId
    delivered_c: int | UnsetType = UNSET
    read_c: int | UnsetType = UNSET


class Receipts(Struct, frozen=True, gc=False):
    """How far everybody in a conversation has got."""

    members: tuple[Marks, ...]


class History(Struct, frozen=True, gc=False):
    """Events in ascending order; `more`: there are further ones in the direction asked for."""

    events: list[AnyLogEvent]
    more: bool


class SyncPage(Struct, frozen=True, gc=False):
    """What changed, or is gone; with a `cursor` it goes on, without one it is complete as of `now`.

    `notifications` are the first page, and take the place of what the client has.
    """

    conversations: list[Conversation | Gone]
    now: Millis
    cursor: str | UnsetType = UNSET
    notifications: Notifications | UnsetType = UNSET


class Watched(Struct, frozen=True, gc=False, omit_defaults=True):
    """Those who were asked for as they are now. Not `visible`: I am hidden, and see nobody."""

    users: tuple[Presence, ...]
    visible: bool = True


class Done(Struct, frozen=True, gc=False):
    """`{}`: carried out, nothing to tell."""


Ok = (
    Welcome
    | Sent
    | Opened
    | Conversation
    | Conversations
    | Receipts
    | History
    | SyncPage
    | Notifications
    | Preferences
    | Posts
    | Watched
    | PostCounts
    | Tray
    | Done
)
Result = Ok | Refusal


class OkReply(Struct, frozen=True, gc=False):
    """The answer to request `re`, carried out."""

    re: int
    ok: Any


class ErrReply(Struct, frozen=True, gc=False):
    """The answer to request `re`, refused; 0 stands for one that could not be read."""

    re: int
    err: Refusal
