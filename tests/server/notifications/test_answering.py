"""Operations on notifications, and what devices are told live."""

import asyncio

import pytest
from msgspec import UNSET

from persistence.notifications.memory import MemoryNotifications
from protocol.codec import JSON
from protocol.errors import Refusal
from protocol.events import NotificationChanged, NotificationGone, NotificationsSeen
from protocol.ids import UserId
from protocol.notifications import Notifications
from protocol.preferences import DEFAULTS, PreferencesChange, QuietHours
from protocol.replies import Done
from protocol.requests import ChangePreferences, ListNotifications, SeeNotifications
from server.notifications.answering import FIRST_BYTES, NO_ZONE, Answering
from server.notifications.telling import Telling
from server.notifications.zones import is_zone, offset_at
from server.refusals import NO_CURSOR
from tests.contracts.notification_grounds import Desk, MemoryNotificationGround, deed, event, likes

ME, ADA, BOB = UserId("9216"), UserId("17"), UserId("18")


class Room:
    """One person with a list of notifications and devices that hear."""

    def __init__(self) -> None:
        self.ground = MemoryNotificationGround()
        self.store: MemoryNotifications = self.ground.store
        self.desk = Desk(self.store)
        self.heard: list[object] = []
        self.answering = Answering(self.store, lambda user, event: self.heard.append(event), is_zone)
        self.telling = Telling(self.store, lambda user: user == ME, lambda user, event: self.heard.append(event))

    async def people(self) -> None:
        await self.ground.sign_up(ADA, "ada", "Ada")
        await self.ground.sign_up(BOB, "bob")

    async def page(self, **fields: object) -> Notifications:
        answer = await self.answering.answer(ME, ListNotifications(id=1, **fields))  # type: ignore[arg-type]
        assert isinstance(answer, Notifications)
        return answer

    async def tell(self) -> None:
        for user, id in self.desk.told:
            self.telling.touched(user, [id])
        self.desk.told.clear()
        await self.telling.tell()


@pytest.fixture
async def room() -> Room:
    room = Room()
    await room.people()
    return room


async def test_a_page_shows_who_did_what_and_leads_to_the_next(room: Room) -> None:
    await room.desk.fold(*likes([ADA, BOB], ME))
    await room.ground.pass_ms(1)
    await room.desk.fold(event(deed(ADA, ME, "", "follow")))
    first = await room.page(limit=1)
    assert [(item.kind, item.text) for item in first.items] == [("follow", "Ada started following you")]
    assert isinstance(first.next, str)
    second = await room.page(limit=1, before=first.next)
    [item] = second.items
    assert (item.actors, item.actor_count, item.targets, item.target_count) == ((BOB, ADA), 2, ("post",), 1)
    assert (item.text, item.seen, second.badge) == ("bob and Ada liked your photo", False, 2)
    assert (await room.page(limit=20)).next is UNSET


@pytest.mark.parametrize("before", ["", "7", "x-y", f"7-{2**63}"])
async def test_what_is_no_cursor_is_refused(room: Room, before: str) -> None:
    assert await room.answering.answer(ME, ListNotifications(id=1, before=before)) == NO_CURSOR


async def test_what_is_seen_is_told_to_all_devices_once(room: Room) -> None:
    await room.desk.fold(*likes([ADA], ME))
    [item] = (await room.page()).items
    for _ in range(2):
        assert await room.answering.answer(ME, SeeNotifications(id=1, up_to=item.updated_at)) == Done()
    assert room.heard == [NotificationsSeen(item.updated_at, 0)]
    assert (await room.page()).badge == 0


async def test_preferences_are_told_changed_and_checked(room: Room) -> None:
    assert await room.answering.answer(ME, ChangePreferences(id=1)) == DEFAULTS
    for zone in ("Mars/Olympus", "Europe", "../etc/passwd"):
        nowhere = PreferencesChange(quiet=QuietHours(zone, 1, 2))
        assert await room.answering.answer(ME, ChangePreferences(id=1, set=nowhere)) == NO_ZONE
    night = PreferencesChange(quiet=QuietHours("Asia/Tokyo", 1, 2))
    changed = await room.answering.answer(ME, ChangePreferences(id=1, set=night))
    assert not isinstance(changed, Refusal)
    assert await room.answering.answer(ME, ChangePreferences(id=1)) == changed


async def test_the_page_that_goes_with_a_snapshot_is_cut_by_bytes(room: Room) -> None:
    for number in range(10):
        await room.desk.fold(event(deed(ADA, ME, "\u0001" * 900 + str(number), "comment", name="1")))
        await room.ground.pass_ms(13 * 3_600_000)
    first = await room.answering.first_page(ME)
    assert 0 < len(first.items) < 10
    assert sum(len(JSON.encode(item)) for item in first.items) <= FIRST_BYTES
    assert isinstance(first.next, str)
    rest = await room.page(before=first.next, limit=50)
    assert len(first.items) + len(rest.items) == 10


async def test_devices_hear_what_became_of_a_group_and_others_are_not_read_for(room: Room) -> None:
    await room.desk.fold(*likes([ADA], ME), *likes([ADA], BOB))
    await room.tell()
    [heard] = room.heard
    assert isinstance(heard, NotificationChanged)
    assert heard.text == "Ada liked your photo"
    await room.desk.fold(event(deed(ADA, ME, undone=True)))
    await room.tell()
    assert room.heard[1:] == [NotificationGone(heard.id)]


async def test_what_changes_often_is_told_once_a_turn(room: Room) -> None:
    await room.desk.fold(*likes([ADA], ME))
    await room.desk.fold(*likes([BOB], ME))
    running = asyncio.create_task(room.telling.run())
    for user, id in room.desk.told:
        room.telling.touched(user, [id])
    for _ in range(20):
        await asyncio.sleep(0)
    running.cancel()
    [heard] = room.heard
    assert isinstance(heard, NotificationChanged)
    assert heard.actor_count == 2


async def test_who_is_hidden_is_gone_from_the_screen(room: Room) -> None:
    await room.desk.fold(*likes([ADA], ME))
    await room.ground.relate(ME, "block", ADA)
    await room.tell()
    assert [type(heard) for heard in room.heard] == [NotificationGone]


def test_a_zone_without_data_is_taken_for_utc() -> None:
    assert offset_at("Mars/Olympus", 0) == 0  # type: ignore[arg-type]
