"""What a session is told of itself: where its stream stands, and what a client without state starts from."""

from msgspec import UNSET, Struct, UnsetType

from protocol.conversations import Conversation
from protocol.ids import Millis, UserId
from protocol.notifications import Notifications
from protocol.people import Setting
from protocol.trays import Tray


class Synced(Struct, frozen=True, gc=False, tag_field="ev", tag="synced"):
    """All that was missed has been told: the stream stands at `u`."""

    u: int


class Ping(Struct, frozen=True, gc=False, tag_field="ev", tag="ping"):
    """`u` is the last number written to this connection."""

    u: int


class Continuity(Struct, frozen=True, gc=False, tag_field="ev", tag="continuity"):
    """The user's actor was replaced while the socket lived: a new epoch begins here."""

    epoch: str
    u: int


class Me(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who I am, and my settings of the whole application."""

    id: UserId
    username: str
    settings: dict[str, Setting]
    name: str | UnsetType = UNSET


class Snapshot(Struct, frozen=True, gc=False, tag_field="ev", tag="snapshot"):
    """What a client without state starts from: the newest conversations and who I am.

    `next`: there are more, and `conversation.list` of the inbox goes on from there.
    """

    conversations: list[Conversation]
    me: Me
    now: Millis
    next: str | UnsetType = UNSET
    notifications: Notifications | UnsetType = UNSET
    tray: Tray | UnsetType = UNSET
