"""Requests: what a client asks. One struct per op, read and checked in one step by the codec.

A command inside the server is one of these plus who asked. Fields are those of docs/protocol.md §3 and §4; a wrong or
missing one is refused by name.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import CID, ID, ConversationId, UserId

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

MEMBERS = 256


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
    token: Annotated[str, Meta(max_length=3_000)]
    device: Device
    resume: Resume | UnsetType = UNSET
    follow: bool = False
    snapshot: bool = True
    background: bool = False


class Sync(Request, frozen=True, gc=False, tag="sync"):
    heads: Heads
    since: Position
    only: bool = False
    cursor: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


class Background(Request, frozen=True, gc=False, tag="background"):
    on: bool


class OpenConversation(Request, frozen=True, gc=False, tag="conversation.open"):
    user: User


class CreateConversation(Request, frozen=True, gc=False, tag="conversation.create"):
    cid: Cid
    members: Annotated[list[User], Meta(max_length=MEMBERS)]
    title: Title | UnsetType = UNSET


class GetConversation(Request, frozen=True, gc=False, tag="conversation.get"):
    conversation: Conversation


class ListConversations(Request, frozen=True, gc=False, tag="conversation.list"):
    folder: Literal["inbox", "requests", "archive"] = "inbox"
    before: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class ChangeSettings(Request, frozen=True, gc=False, tag="conversation.settings"):
    conversation: Conversation
    mute_until: Position | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    archived: bool | UnsetType = UNSET
    send_receipts: bool | UnsetType = UNSET
    draft: Annotated[str, Meta(max_length=4_000, pattern=r"^[^\u0000]*$(?!\n)")] | UnsetType = UNSET


class GetReceipts(Request, frozen=True, gc=False, tag="conversation.receipts"):
    conversation: Conversation


class SendMessage(Request, frozen=True, gc=False, tag="message.send"):
    conversation: Conversation
    cid: Cid
    text: Text
    after: Cid | UnsetType = UNSET
    reply_to: Place | UnsetType = UNSET
    mentions: Annotated[list[User], Meta(max_length=MEMBERS)] | UnsetType = UNSET


class GetHistory(Request, frozen=True, gc=False, tag="message.history"):
    conversation: Conversation
    after: Position | UnsetType = UNSET
    before: Place | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class MarkRead(Request, frozen=True, gc=False, tag="message.read"):
    conversation: Conversation
    c: Position


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
    | GetReceipts
    | SendMessage
    | GetHistory
    | MarkRead
)
"""What is answered once hello was."""

AnyRequest = Hello | Asking | Type | Ack
