"""Requests: what a client asks. One struct per op, read and checked in one step by the codec.

A command inside the server is one of these plus who asked. Fields are those of docs/protocol.md §3 and §4; a wrong or
missing one is refused by name, and so is one that asks for what this server cannot do: `read_later` is the hook with
which a decoder has to read these structs.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import CID, ID, ConversationId, UserId
from protocol.posts import PostId
from protocol.preferences import PreferencesChange
from protocol.shares import Share
from protocol.trays import StoryId

RequestId = Annotated[int, Meta(ge=1, le=2**31)]
Position = Annotated[int, Meta(ge=0, le=2**53)]
Place = Annotated[int, Meta(ge=1, le=2**53)]
Cid = Annotated[str, CID]
Conversation = Annotated[ConversationId, ID]
User = Annotated[UserId, ID]
Title = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$(?!\n)")]
Text = Annotated[str, Meta(min_length=1, max_length=4_000, pattern=r"^[^\u0000]*$(?!\n)")]
Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\u0000]*$(?!\n)")]
Heads = Annotated[dict[Conversation, Position], Meta(max_length=1_000)]

Later = Annotated[UnsetType, Meta(description="not possible yet: refused", extra_json_schema={"enum": [False, []]})]
"""A field of the contract that this server cannot act on: it must not be dropped like an unknown key."""

MEMBERS = 256
WATCHED = 200
POSTS_WATCHED = 50


def read_later(_: type, value: object) -> UnsetType:
    """A `Later` field that is there: `false` and an empty list ask for nothing, all else is a ValueError."""
    if value is False or value == []:
        return UNSET
    raise ValueError("this server cannot do that yet")


class Device(Struct, frozen=True, gc=False):
    """One client instance; `id` names it for as long as it keeps its state."""

    id: Name
    platform: Annotated[str, Meta(max_length=32, pattern=r"^[^\u0000]*$(?!\n)")]
    app: Annotated[str, Meta(max_length=64, pattern=r"^[^\u0000]*$(?!\n)")]


class Resume(Struct, frozen=True, gc=False):
    """Where a client's copy of the user's stream ends."""

    epoch: Annotated[str, Meta(max_length=64)]
    u: Position


class Request(Struct, frozen=True, gc=False, kw_only=True, tag_field="op"):
    """`id` pairs a reply with its request on one connection."""

    id: RequestId


class Hello(Request, frozen=True, gc=False, tag="hello"):
    """The first request of a connection: who this is, on which client, and where its copy of the stream ends."""

    token: Annotated[str, Meta(max_length=3_000)]
    device: Device
    resume: Resume | UnsetType = UNSET
    follow: bool = False
    snapshot: bool = True
    background: bool = False


class Sync(Request, frozen=True, gc=False, tag="sync"):
    """What changed in my conversations beyond the heads I have stored; `only` leaves out those that are not named."""

    heads: Heads
    since: Position
    only: bool = False
    cursor: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


class Background(Request, frozen=True, gc=False, tag="background"):
    """My application went to the background, where live events stop, or came back."""

    on: bool


class OpenConversation(Request, frozen=True, gc=False, tag="conversation.open"):
    """The one direct conversation with `user`, made if there is none."""

    user: User


class CreateConversation(Request, frozen=True, gc=False, tag="conversation.create"):
    """A new group of me and these users; `cid` is unique among what I create."""

    cid: Cid
    members: Annotated[list[User], Meta(max_length=MEMBERS)]
    title: Title | UnsetType = UNSET


class GetConversation(Request, frozen=True, gc=False, tag="conversation.get"):
    """One conversation as I see it."""

    conversation: Conversation


class ListConversations(Request, frozen=True, gc=False, tag="conversation.list"):
    """A page of one folder, the newest activity first; `before` is the `next` of the page before."""

    folder: Literal["inbox", "requests", "archive"] = "inbox"
    before: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class ChangeSettings(Request, frozen=True, gc=False, tag="conversation.settings"):
    """My own settings of a conversation: those given replace, the others stay."""

    conversation: Conversation
    mute_until: Position | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    send_receipts: bool | UnsetType = UNSET
    draft: Annotated[str, Meta(max_length=4_000, pattern=r"^[^\u0000]*$(?!\n)")] | UnsetType = UNSET


class AcceptConversation(Request, frozen=True, gc=False, tag="conversation.accept"):
    """Whoever made this conversation may talk to me: it moves to my inbox, also after a decline."""

    conversation: Conversation


class DeclineConversation(Request, frozen=True, gc=False, tag="conversation.decline"):
    """I do not want this request: it leaves my lists, and nothing of it reaches me, which nobody else is told."""

    conversation: Conversation


class GetReceipts(Request, frozen=True, gc=False, tag="conversation.receipts"):
    """How far each member of a conversation has got."""

    conversation: Conversation


class SendMessage(Request, frozen=True, gc=False, tag="message.send"):
    """A message of a text, a share or both; `after` is the `cid` of my send before it, which must come first."""

    conversation: Conversation
    cid: Cid
    text: Text | UnsetType = UNSET
    after: Cid | UnsetType = UNSET
    reply_to: Place | UnsetType = UNSET
    mentions: Annotated[list[User], Meta(max_length=MEMBERS)] | UnsetType = UNSET
    media: Later = UNSET
    voice: Later = UNSET
    share: Share | UnsetType = UNSET
    view_once: Later = UNSET
    ciphertext: Later = UNSET

    def __post_init__(self) -> None:
        if self.text is UNSET and self.share is UNSET:
            raise ValueError("text: a message needs one, or a share")


class GetHistory(Request, frozen=True, gc=False, tag="message.history"):
    """Events after or before a place, exclusive and not both; with neither, the newest."""

    conversation: Conversation
    after: Position | UnsetType = UNSET
    before: Place | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class MarkRead(Request, frozen=True, gc=False, tag="message.read"):
    """I have read up to `c`; a mark further back changes nothing."""

    conversation: Conversation
    c: Position


class ListNotifications(Request, frozen=True, gc=False, tag="notification.list"):
    """A page of my notifications, something new first; `before` is the `next` of the page before."""

    before: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class SeeNotifications(Request, frozen=True, gc=False, tag="notification.seen"):
    """I have seen all notifications whose `updated_at` is not after `up_to`: nobody has to be alerted of them."""

    up_to: Position


class ChangePreferences(Request, frozen=True, gc=False, tag="notification.preferences"):
    """Which notifications I want: `set` changes it, and all of it is the answer."""

    set: PreferencesChange | UnsetType = UNSET


class WatchPresence(Request, frozen=True, gc=False, tag="presence.watch"):
    """Who is on screen, in place of those before; `conversation` is the one on screen, which its members may see."""

    users: Annotated[list[User], Meta(max_length=WATCHED)]
    conversation: Conversation | UnsetType = UNSET


class WatchPosts(Request, frozen=True, gc=False, tag="post.watch"):
    """The posts on this connection's screen, in place of those before: I hear when their totals change."""

    posts: Annotated[list[Annotated[PostId, ID]], Meta(max_length=POSTS_WATCHED)]


class SetPresence(Request, frozen=True, gc=False, tag="presence.set"):
    """Whether others may see when I am here. Who is not visible sees nobody either."""

    visible: bool


class StoryTray(Request, frozen=True, gc=False, tag="story.tray"):
    """Whose stories there are for me now."""


class SeeStory(Request, frozen=True, gc=False, tag="story.seen"):
    """I have seen this story; once is for ever, and of my own nothing is kept."""

    story: Annotated[StoryId, ID]


class ReactToStory(Request, frozen=True, gc=False, tag="story.react"):
    """React to a story of somebody else: a message to its author, and my reaction until another one."""

    story: Annotated[StoryId, ID]
    emoji: Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[^\u0000-\u0020\u007f]*$(?!\n)")]
    cid: Cid


class Type(Struct, frozen=True, gc=False, tag_field="op", tag="typing"):
    """`typing`: never answered, may be dropped."""

    conversation: Conversation
    kind: Literal["text", "voice", "media", "stop"]


class Ack(Struct, frozen=True, gc=False, tag_field="op", tag="ack"):
    """`ack`: `u` is the last event stored; `heads` is what was stored without a `u`. Never answered."""

    epoch: Annotated[str, Meta(max_length=64)]
    u: Position
    heads: Heads | UnsetType = UNSET


Asking = (
    Sync
    | Background
    | OpenConversation
    | CreateConversation
    | GetConversation
    | ListConversations
    | ChangeSettings
    | AcceptConversation
    | DeclineConversation
    | GetReceipts
    | SendMessage
    | GetHistory
    | MarkRead
    | ListNotifications
    | SeeNotifications
    | ChangePreferences
    | WatchPresence
    | SetPresence
    | WatchPosts
    | StoryTray
    | SeeStory
    | ReactToStory
)
"""What is answered once hello was."""

AnyRequest = Hello | Asking | Type | Ack
