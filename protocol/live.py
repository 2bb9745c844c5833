"""Live events (docs/protocol.md §2): what is told to who is here now, takes no number and may be dropped."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.counts import PostCount
from protocol.ids import ConversationId, Millis, UserId
from protocol.media import MediaId
from protocol.posts import PostId
from protocol.trays import TrayStory


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
