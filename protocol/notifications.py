"""Notifications as a client sees them (docs/protocol.md §6)."""

from msgspec import UNSET, Struct, UnsetType

from protocol.activity import Kind
from protocol.ids import Millis, UserId


class Actor(Struct, frozen=True, gc=False, omit_defaults=True):
    """Somebody who did it."""

    id: UserId
    username: str
    name: str | UnsetType = UNSET


class Notification(Struct, frozen=True, gc=False, kw_only=True):
    """What some people did, as one: samples of them and of what they did it to, and how many there are of each.

    `text` says it in the reader's language. `at` is when the first did, `updated_at` when there was something new last.
    """

    id: str
    kind: Kind
    group: str
    actors: tuple[Actor, ...]
    actor_count: int
    targets: tuple[str, ...]
    target_count: int
    text: str
    at: Millis
    updated_at: Millis
    seen: bool


class NotificationChanged(Notification, frozen=True, gc=False, kw_only=True, tag_field="ev", tag="notification"):
    """A notification is new, or replaces the one with its id."""


class NotificationGone(Struct, frozen=True, gc=False, tag_field="ev", tag="notification.gone"):
    """A notification is no more: everybody in it took it back."""

    id: str


class NotificationsSeen(Struct, frozen=True, gc=False, tag_field="ev", tag="notification.seen"):
    """I have seen, on one of my devices, all notifications with an `updated_at` up to `up_to`."""

    up_to: Millis
    badge: int


class GroupsTouched(Struct, frozen=True, gc=False, tag_field="ev", tag="groups"):
    """Groups of a user changed: for their home alone, which tells their devices what became of each."""

    ids: tuple[int, ...]


class Notifications(Struct, frozen=True, gc=False):
    """A page of notifications, those that changed last first; `next` is there when it goes on.

    `badge` is how many are not seen, of all, counted up to 100.
    """

    badge: int
    items: list[Notification]
    next: str | UnsetType = UNSET
