"""Notifications as a client sees them (docs/protocol.md §6)."""

from msgspec import UNSET, Struct, UnsetType

from protocol.activity import Kind
from protocol.ids import Millis, UserId


class Notification(Struct, frozen=True, gc=False, kw_only=True):
    """What some people did, as one: samples of them and of what they did it to, and how many there are of each.

    `group` is what a push of it is called on a device. `text` says it in the reader's language. `at` is when the first
    did it, `updated_at` when there was something new last.
    """

    id: str
    kind: Kind
    group: str
    actors: tuple[UserId, ...]
    actor_count: int
    targets: tuple[str, ...]
    target_count: int
    text: str
    at: Millis
    updated_at: Millis
    seen: bool


class Notifications(Struct, frozen=True, gc=False):
    """A page of notifications, those with something new last first; `next` is there when it goes on.

    `badge` is how many of all are not seen, counted up to 100.
    """

    badge: int
    items: list[Notification]
    next: str | UnsetType = UNSET
