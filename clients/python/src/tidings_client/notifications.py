"""Reads notifications, and keeps a list of them up to date by what the stream tells (wire contract §6)."""

from __future__ import annotations

from .event_reading import read_notification
from .events import Event, Notification, NotificationGone, Notifications, NotificationsSeen
from .reading import as_map, int_or_none, maps_of

MOST = 100


def read_notifications(body: object) -> Notifications:
    """The answer of `notification.list`, and what stands in a snapshot or a sync."""
    page = as_map(body, "notifications")
    items = tuple(read_notification(item) for item in maps_of(page, "items"))
    return Notifications(int_or_none(page, "badge") or 0, items, page.get("next"))


class NotificationList:
    """The newest notifications, at most 100 of them: give it every event, and it shows what a screen would."""

    def __init__(self) -> None:
        self._items: dict[str, Notification] = {}

    @property
    def items(self) -> list[Notification]:
        """Those with something new last first."""
        return sorted(self._items.values(), key=lambda one: (one.updated_at, int(one.id)), reverse=True)

    @property
    def unseen(self) -> int:
        """How many of these are not seen."""
        return sum(not one.seen for one in self._items.values())

    def apply(self, event: Event) -> None:
        """The one place where the list changes; other events leave it as it is."""
        match event:
            case Notifications():
                self._items = {one.id: one for one in event.items}
            case Notification():
                self._items[event.id] = event
                for one in self.items[MOST:]:
                    del self._items[one.id]
            case NotificationGone():
                self._items.pop(event.id, None)
            case NotificationsSeen():
                for one in self.items:
                    if one.updated_at <= event.up_to:
                        self._items[one.id] = one.after_seen()
            case _:
                pass
