"""Conversations as their members see them (CONVERSATION of docs/protocol.md §4)."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from protocol.events import AnyLogEvent
from protocol.ids import ConversationId, Millis, UserId


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
