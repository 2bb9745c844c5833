"""Notifications as the SDK reads them, and the list that it keeps of them."""

from typing import Any

import pytest

from tests.clients.session.desk import Desk
from tidings_client import Malformed, Notification, NotificationGone, NotificationList, Notifications, NotificationsSeen
from tidings_client.event_reading import read_event

WIRE: dict[str, Any] = {
    "ev": "notification",
    "u": 3,
    "id": "7",
    "kind": "like",
    "group": "notification-7",
    "actors": ["17"],
    "actor_count": 1,
    "targets": ["post"],
    "target_count": 1,
    "text": "Ada liked your photo",
    "at": 100,
    "updated_at": 100,
    "seen": False,
}


def one(id: str, updated_at: int) -> Notification:
    read = read_event(WIRE | {"id": id, "updated_at": updated_at})
    assert isinstance(read, Notification)
    return read


def test_events_of_notifications_are_read() -> None:
    assert one("7", 100).actors == ("17",)
    assert read_event({"ev": "notification.gone", "id": "7", "u": 4}) == NotificationGone("7", 4)
    assert read_event({"ev": "notification.seen", "up_to": 5, "badge": 2, "u": 4}) == NotificationsSeen(5, 2, 4)
    with pytest.raises(Malformed):
        read_event(WIRE | {"actors": [17]})


def test_a_snapshot_brings_the_first_page() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome("fresh", u=0)
    page = {"badge": 1, "items": [{key: value for key, value in WIRE.items() if key not in ("ev", "u")}]}
    desk.hear({"ev": "snapshot", "conversations": [], "me": {}, "now": 1, "notifications": page})
    [read] = [event for event in desk.events() if isinstance(event, Notifications)]
    assert (read.badge, [item.id for item in read.items], read.next) == (1, ["7"], None)


def test_the_list_shows_what_the_stream_tells() -> None:
    shown = NotificationList()
    shown.apply(Notifications(2, (one("7", 100), one("8", 200)), None))
    shown.apply(one("7", 300))
    shown.apply(one("9", 50))
    assert [item.id for item in shown.items] == ["7", "8", "9"]
    shown.apply(NotificationsSeen(200, 1))
    assert ([item.seen for item in shown.items], shown.unseen) == ([False, True, True], 1)
    shown.apply(NotificationGone("8"))
    shown.apply(NotificationGone("8"))
    assert [item.id for item in shown.items] == ["7", "9"]
    for number in range(200):
        shown.apply(one(str(1_000 + number), 1_000 + number))
    assert (len(shown.items), shown.items[0].id) == (100, "1199")
