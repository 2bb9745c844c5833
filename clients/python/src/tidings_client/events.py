"""Everything `Client.events()` may yield: frozen values, read once from the server's maps (wire contract §4).

Log events have a place `c` in their conversation and are handed on in that order, none missing and none twice. `u` is
the number on the user's stream, None when the event came by history or sync. `body` is the whole map as it came, with
keys this version does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from .errors import TidingsError
from .reading import Body, map_of, text_of, text_or_none


@dataclass(frozen=True, slots=True)
class Share:
    """What a message points at: `kind` is `post`, `story` or `profile`. Whether its reader may see it is told by asking
    for it."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message. `sender` is a user id, `at` milliseconds since 1970; `text` is None in tombstones and the like."""

    conversation: str
    c: int
    sender: str
    cid: str
    at: int
    text: str | None
    body: Body
    u: int | None = None

    @property
    def share(self) -> Share | None:
        """What is shared, if anything."""
        if self.body.get("share") is None:
            return None
        said = map_of(self.body, "share")
        return Share(text_of(said, "kind"), text_of(said, "id"))

    @property
    def erased(self) -> str | None:
        """`unsent`, `expired` or `viewed` when this is a tombstone."""
        return text_or_none(self.body, "erased")


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """Somebody joined, left, was removed, or got another role."""

    conversation: str
    c: int
    sender: str
    cid: str
    at: int
    user: str
    change: str
    role: str | None
    body: Body
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Any other log event: `conversation`, `message.edited`, `message.unsent`, `reaction`, and those yet to come."""

    ev: str
    conversation: str
    c: int
    sender: str
    cid: str
    at: int
    body: Body
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far another member has received and read; either mark may be absent, both only grow."""

    conversation: str
    user: str
    delivered_c: int | None
    read_c: int | None
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """My own read mark, moved by any of my devices."""

    conversation: str
    read_c: int
    u: int | None = None


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """My own settings of a conversation changed; `body` carries what is new. `folder`: where I have moved a request."""

    conversation: str
    body: Body
    u: int | None = None

    @property
    def folder(self) -> str | None:
        """`inbox` when I accepted it, `declined` when I declined it; None when it stays where it is."""
        return text_or_none(self.body, "folder")


@dataclass(frozen=True, slots=True)
class ConversationGone:
    """A conversation I may no longer see at all."""

    conversation: str
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody types, for `for_ms` milliseconds unless told otherwise. Live: may be missed."""

    conversation: str
    user: str
    kind: str
    for_ms: int


@dataclass(frozen=True, slots=True)
class UploadMoved:
    """How far an upload of mine is: `received` with how many `percent`, then `processing`, then `ready` or `rejected`.
    It is `media` when it is whole. Live: may be missed."""

    upload: str
    state: str
    percent: int | None
    media: str | None


@dataclass(frozen=True, slots=True)
class Notification:
    """What some people did, as one; it takes the place of an earlier one with its `id`.

    `actors` and `targets` are samples, `text` says it in my language, `updated_at` is when something new came last.
    """

    id: str
    kind: str
    group: str
    actors: tuple[str, ...]
    actor_count: int
    targets: tuple[str, ...]
    target_count: int
    text: str
    at: int
    updated_at: int
    seen: bool
    u: int | None = None

    def after_seen(self) -> Notification:
        """The same, seen."""
        return replace(self, seen=True)


@dataclass(frozen=True, slots=True)
class FeedNew:
    """Live: somebody whom I follow has posted at `at`. `width` and `height` are of its first picture, `thumbhash` is
    bytes, or padded base64 where the session speaks JSON; `caption` is its beginning."""

    author: str
    post: str
    at: int
    width: int
    height: int
    thumbhash: bytes | str | None
    caption: str | None


@dataclass(frozen=True, slots=True)
class NotificationGone:
    """Nothing is left of a notification."""

    id: str
    u: int | None = None


@dataclass(frozen=True, slots=True)
class NotificationsSeen:
    """On one of my devices I have seen all with an `updated_at` up to `up_to`; `badge` are left."""

    up_to: int
    badge: int
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Notifications:
    """The first page, which replaces what was known; `badge` counts all that are not seen, up to 99. As an answer:
    any page, and `next` is the `before` of the following one."""

    badge: int
    items: tuple[Notification, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Presence:
    """How somebody stands: `online`, `idle`, `offline`, `unknown`. `last_active_at`, in milliseconds since 1970, only
    where known; `conversation` is one of ours that they look at. Live: may be missed."""

    user: str
    state: str
    last_active_at: int | None
    conversation: str | None


@dataclass(frozen=True, slots=True)
class TrayStory:
    """A story in a tray; from `expires_at` (milliseconds since 1970) on it is not there any more."""

    id: str
    expires_at: int
    close_friends: bool
    seen: bool = False


@dataclass(frozen=True, slots=True)
class TrayEntry:
    """The stories of one author, the oldest first. `muted`: I do not want to hear of them."""

    author: str
    username: str
    name: str | None
    stories: tuple[TrayStory, ...]
    muted: bool


@dataclass(frozen=True, slots=True)
class Tray:
    """Whose stories there are for me, in the server's order: takes the place of what the client has. `more`: there are
    further ones."""

    entries: tuple[TrayEntry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class TrayChanged:
    """Stories of an author are there (`add`), are not any more (`remove`; without stories: all of theirs), or were
    `seen` on a device of mine."""

    change: str
    author: str
    stories: tuple[TrayStory, ...]


@dataclass(frozen=True, slots=True)
class PostCount:
    """Totals of a post on screen, at most some seconds old. Live: may be missed, the next one makes up for it."""

    post: str
    likes: int
    comments: int


@dataclass(frozen=True, slots=True)
class PostRemoved:
    """A post on screen is gone, or not for me any more. Live: may be missed."""

    post: str


@dataclass(frozen=True, slots=True)
class Other:
    """An event this version does not know, as it came."""

    ev: str
    body: Body
    u: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a conversation; marks are absent where the server does not tell them."""

    user: str
    role: str | None
    joined_c: int
    left_c: int | None
    delivered_c: int | None
    read_c: int | None


LogEvent: TypeAlias = Message | MemberChanged | Entry
LOG_EVENTS: Final = (Message, MemberChanged, Entry)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation's state as the server told it; `settings` are mine, `unread` is counted up to 100."""

    id: str
    kind: str
    title: str | None
    members: tuple[Member, ...]
    last_c: int
    joined_c: int
    read_c: int
    unread: int
    last: LogEvent | None
    folder: str
    settings: Mapping[str, Any]
    body: Body


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation's state as learned by sync, by listing on where a snapshot ended, or on the first event of a
    conversation not known before. Its `settings` are never older than the last SettingsChanged; `read_c` may be."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest conversations, at most 20 and without their events, for a client that has stored nothing yet. The
    others follow, each as a ConversationState."""

    conversations: tuple[Conversation, ...]
    me: Mapping[str, Any]
    now: int
    body: Body


@dataclass(frozen=True, slots=True)
class Online:
    """Connected, and everything the server replays has been handed on. `outcome`: `fresh`, `resumed` or `resync`.

    A connection that is renewed only because the application was behind goes unmentioned.
    """

    outcome: str


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection ended with this close code (None: cut); the next attempt follows in `retry_ms`."""

    code: int | None
    retry_ms: int


@dataclass(frozen=True, slots=True)
class SendEnded:
    """What became of a send nobody waits for any more: its caller gave up, or an earlier process had queued it."""

    conversation: str
    cid: str
    c: int | None
    error: TidingsError | None


Event: TypeAlias = (
    Message
    | MemberChanged
    | Entry
    | Receipt
    | Read
    | SettingsChanged
    | ConversationGone
    | Typing
    | UploadMoved
    | FeedNew
    | Notification
    | NotificationGone
    | NotificationsSeen
    | Notifications
    | Presence
    | Tray
    | TrayChanged
    | PostCount
    | PostRemoved
    | Other
    | ConversationState
    | Snapshot
    | Online
    | Offline
    | SendEnded
)
