"""What the SDK makes of stories; `tests/server/stories/test_over_the_wire.py` asks a real server."""

from typing import Any

import pytest

from tests.clients.session.desk import Desk
from tidings_client import Malformed, StoryTray, Tray, TrayChanged, TrayStory
from tidings_client.event_reading import read_event, read_tray
from tidings_client.events import Event

ADA, BOB, EVE = "17", "18", "19"
NOW = 1_000


def story(id: str, expires_at: int, **more: Any) -> dict[str, Any]:
    return {"id": id, "expires_at": expires_at, "close_friends": False, **more}


def entry(author: str, *stories: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"author": author, "username": f"user{author}", "stories": list(stories), **more}


def changed(change: str, author: str, *stories: dict[str, Any]) -> Event:
    return read_event({"ev": "tray", "change": change, "author": author, "stories": list(stories)})


TRAY = {
    "items": [
        entry(ADA, story("1", 5_000, seen=True)),
        entry(BOB, story("2", 4_000, seen=False), name="Bob"),
        entry(EVE, story("3", 6_000, seen=False), muted=True),
    ]
}


def test_events_of_trays_are_read() -> None:
    assert changed("add", ADA, story("1", 5)) == TrayChanged("add", ADA, (TrayStory("1", 5, close_friends=False),))
    with pytest.raises(Malformed):
        changed("add", ADA, {"id": "1"})


def test_a_snapshot_brings_the_tray() -> None:
    desk = Desk()
    desk.hello()
    desk.welcome("fresh", u=0)
    desk.hear({"ev": "snapshot", "conversations": [], "me": {}, "now": 1, "tray": TRAY})
    [tray] = [event for event in desk.events() if isinstance(event, Tray)]
    assert [(one.author, one.name, one.muted) for one in tray.entries] == [
        (ADA, None, False),
        (BOB, "Bob", False),
        (EVE, None, True),
    ]
    assert not tray.more


def test_the_tray_shows_what_is_told_in_the_servers_order() -> None:
    tray = StoryTray()
    tray.apply(read_tray(TRAY))
    assert tray.authors(NOW) == [BOB, ADA, EVE]
    tray.apply(changed("add", ADA, story("4", 7_000)))
    assert tray.authors(NOW) == [ADA, BOB, EVE]
    assert [one.id for one in tray.stories(ADA, NOW)] == ["1", "4"]
    tray.apply(changed("seen", BOB, story("2", 4_000)))
    tray.apply(changed("seen", ADA, story("4", 7_000)))
    assert tray.authors(NOW) == [ADA, BOB, EVE]
    tray.apply(changed("remove", ADA, story("4", 7_000)))
    assert [one.id for one in tray.stories(ADA, NOW)] == ["1"]
    tray.apply(changed("remove", ADA))
    assert tray.authors(NOW) == [BOB, EVE]


def test_what_is_over_is_not_shown_although_nobody_said_so() -> None:
    tray = StoryTray()
    tray.apply(read_tray(TRAY))
    assert tray.stories(BOB, 3_999)
    assert not tray.stories(BOB, 4_000)
    assert tray.authors(5_999) == [EVE]
    assert tray.authors(6_000) == []
