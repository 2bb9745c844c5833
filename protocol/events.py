"""Events: what happened. The same struct is the log event, the stored body (its encoding) and the wire event.

Three sorts (docs/protocol.md §2): log events take a place `c` in a conversation; durable events take a number `u` in a
user's stream; live events take neither and may be dropped.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from protocol.counts import PostCount
from protocol.ids import ConversationId, Millis, UserId
from protocol.media import MediaId
from protocol.notifications import Notification, Notifications
from protocol.people import Setting
from protocol.posts import PostId
from protocol.shares import Share
from protocol.trays import Tray, TrayStory


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


class LiveEvent(Struct, frozen=True, gc=False, tag_field="ev"):
    """What is told to those devices of a user that are in the foreground now, and never again.

    Where it has to wait it takes the place of an older one with the same `key`.
    """

    @property
    def key(self) -> tuple[str, ...]:
        """What it is about."""
        return (type(self).__name__,)

    @property
    def is_sight(self) -> bool:
        """It shows something of somebody, who may not be seen any more while it waits."""
        return False


class Typing(LiveEvent, frozen=True, gc=False, tag="typing"):
    """`c` is the head when it was said; shown for `for_ms` unless a stop comes."""

    conversation: ConversationId
    c: int
    user: UserId
    kind: Literal["text", "voice", "media", "stop"]
    for_ms: int = 8_000

    @property
    def key(self) -> tuple[str, ...]:
        return ("typing", self.conversation, self.user)

    @property
    def is_sight(self) -> bool:
        return self.kind != "stop"


class Preview(Struct, frozen=True, gc=False, omit_defaults=True):
    """What can be drawn of a post before it is read: the first 100 code points of its caption, and its first picture.
    It is the same for everybody, so there is no address in it."""

    width: int
    height: int
    thumbhash: bytes | UnsetType = UNSET
    caption: str | UnsetType = UNSET


class FeedNew(LiveEvent, frozen=True, gc=False, tag="feed.new"):
    """Somebody whom I follow has posted at `at`; `feed.page` has it."""

    author: UserId
    post: str
    at: Millis
    preview: Preview

    @property
    def key(self) -> tuple[str, ...]:
        return ("feed.new", self.post)

    @property
    def is_sight(self) -> bool:
        return True


class UploadMoved(LiveEvent, frozen=True, gc=False, tag="upload", omit_defaults=True):
    """How far something of mine is on its way to be shown.

    While it is `received`, `percent` of it is here; when it is whole it is `media`, under the same id.
    """

    upload: str
    state: Literal["received", "processing", "ready", "rejected"]
    percent: int | UnsetType = UNSET
    media: MediaId | UnsetType = UNSET

    @property
    def key(self) -> tuple[str, ...]:
        return ("upload", self.upload)


class TrayChanged(LiveEvent, frozen=True, gc=False, tag="tray"):
    """Live: stories of `author` are there for me, are not any more, or were seen on a device of mine.

    `remove` without stories is of all of theirs."""

    change: Literal["add", "seen", "remove"]
    author: UserId
    stories: tuple[TrayStory, ...]

    @property
    def key(self) -> tuple[str, ...]:
        about = "seen" if self.change == "seen" else "there"
        return ("tray", about, self.author, *(story.id for story in self.stories))

    @property
    def is_sight(self) -> bool:
        return self.change == "add"


AnyLiveEvent = Typing | UploadMoved | TrayChanged | FeedNew
"""The live events that go to users wherever their home is."""


class Presence(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whether somebody is here, as far as I may see it; `conversation` is one of ours that they have on screen."""

    user: UserId
    state: Literal["online", "idle", "offline", "unknown"]
    last_active_at: Millis | UnsetType = UNSET
    conversation: ConversationId | UnsetType = UNSET


class PresenceChanged(Presence, frozen=True, gc=False, omit_defaults=True, tag_field="ev", tag="presence"):
    """Live: somebody whom I watch came, went, or looks at one of our conversations."""


class PostCounted(PostCount, frozen=True, gc=False, tag_field="ev", tag="post.count"):
    """Live: totals of a post on screen have changed."""


class PostRemoved(Struct, frozen=True, gc=False, tag_field="ev", tag="post.removed"):
    """Live: a post on screen was deleted or archived, or is not for me any more."""

    post: PostId

    @property
    def voids(self) -> tuple[str, ...]:
        """The key of the live event that is not true any more where it waits."""
        return ("feed.new", self.post)


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


class Member(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who is or was in a conversation, from which place to which, and how far they let be seen that they got."""

    user: UserId
    role: Literal["owner", "admin", "member"]
    joined_c: int
    left_c: int | UnsetType = UNSET
    delivered_c: int | UnsetType = UNSET
    read_c: int | UnsetType = UNSET


class MemberSettings(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one member has set for themself in one conversation."""

    mute_until: int | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    send_receipts: bool | UnsetType = UNSET
    draft: str | UnsetType = UNSET


class Conversation(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """CONVERSATION of docs/protocol.md §4, as one member sees it. `events`, `more` only in `sync`."""

    id: ConversationId
    kind: Literal["direct", "group"]
    title: str | UnsetType = UNSET
    members: tuple[Member, ...]
    last_c: int
    joined_c: int
    read_c: int
    unread: int
    last: AnyLogEvent | UnsetType = UNSET
    folder: Literal["inbox", "requests", "archive", "declined"]
    settings: MemberSettings
    at: Millis
    events: list[AnyLogEvent] | UnsetType = UNSET
    more: bool | UnsetType = UNSET


class Gone(Struct, frozen=True, gc=False):
    """In `sync`: a named conversation that may not be seen, whether it exists or not."""

    id: ConversationId
    gone: Literal[True] = True


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
