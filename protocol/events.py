"""Events: what happened. The same struct is the log event, the stored body (its encoding) and the wire event.

Three sorts (docs/protocol.md §2): log events take a place `c` in a conversation; durable events take a number `u` in a
user's stream; live events (`protocol.live`) take neither and may be dropped. What a session is told of itself is
in `protocol.session`.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from protocol.ids import ConversationId, Millis, UserId
from protocol.notifications import Notification
from protocol.shares import Share


class LogEvent(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="ev"):
    """One place in a conversation's log; `at` is milliseconds since 1970."""

    conversation: ConversationId
    c: int
    sender: UserId = field(name="from")
    cid: str
    at: Millis


class MessageSent(LogEvent, frozen=True, gc=False, omit_defaults=True, tag="message"):
    """Somebody said something; `reply_to` is the place of what it answers."""

    text: str | UnsetType = UNSET
    share: Share | UnsetType = UNSET
    reply_to: int | UnsetType = UNSET
    mentions: tuple[UserId, ...] | UnsetType = UNSET

    @property
    def is_reaction(self) -> bool:
        """It reacts to a story: a notification tells its author, and no push of a message."""
        return self.share is not UNSET and self.share.reaction


class ConversationChanged(LogEvent, frozen=True, gc=False, omit_defaults=True, tag="conversation"):
    """The conversation was made, or its settings for everybody changed: those that did."""

    title: str | UnsetType = UNSET


AnyLogEvent = MessageSent | ConversationChanged


class ReceiptMoved(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="ev", tag="receipt"):
    """How far `user` has got: for the other members. Marks only grow."""

    conversation: ConversationId
    user: UserId
    delivered_c: int | UnsetType = UNSET
    read_c: int | UnsetType = UNSET


class ReadMoved(Struct, frozen=True, gc=False, tag_field="ev", tag="read"):
    """How far I have read: for all my devices."""

    conversation: ConversationId
    read_c: int


Folder = Literal["inbox", "requests", "declined"]
"""Where a member keeps a conversation. `declined` is in no list."""


class SettingsChanged(Struct, frozen=True, gc=False, omit_defaults=True, tag_field="ev", tag="settings"):
    """My own settings of a conversation: those that changed. `folder`: I accepted or declined a request."""

    conversation: ConversationId
    mute_until: int | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    send_receipts: bool | UnsetType = UNSET
    draft: str | UnsetType = UNSET
    folder: Folder | UnsetType = UNSET


class NotificationChanged(Notification, frozen=True, gc=False, kw_only=True, tag_field="ev", tag="notification"):
    """A notification that is new, or takes the place of the one with its id."""


class NotificationGone(Struct, frozen=True, gc=False, tag_field="ev", tag="notification.gone"):
    """Nothing is left of a notification: what was done was taken back, or I do not see who did it any more."""

    id: str


class NotificationsSeen(Struct, frozen=True, gc=False, tag_field="ev", tag="notification.seen"):
    """On one of my devices I have seen all notifications whose `updated_at` is not after `up_to`."""

    up_to: Millis
    badge: int


DurableEvent = (
    MessageSent
    | ConversationChanged
    | ReceiptMoved
    | ReadMoved
    | SettingsChanged
    | NotificationChanged
    | NotificationGone
    | NotificationsSeen
)
