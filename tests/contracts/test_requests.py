"""What every conversation store keeps of requests and blocks: where a conversation begins, what is shown of it."""

import pytest
from msgspec import UNSET

from persistence.conversations.contract import Moved
from protocol.conversations import Conversation
from protocol.events import Folder, SettingsChanged
from protocol.facts import Settings
from protocol.ids import ConversationId, Millis, UserId
from tests.contracts.grounds import (
    Ground,
    Users,
    activate,
    chosen,
    direct,
    group,
    marked,
    opened,
    shards_of,
    talk,
    unit,
)


async def folder(ground: Ground, user: UserId, id: ConversationId) -> str:
    conversation = await ground.store.get(user, id)
    assert conversation
    return conversation.folder


async def listed(ground: Ground, user: UserId) -> list[tuple[str, ConversationId]]:
    pages = {name: await ground.store.page(user, name, None, 9) for name in ("inbox", "requests", "archive")}
    return [(name, one.id) for name, page in pages.items() for one in page.items]


async def move(ground: Ground, id: ConversationId, user: UserId, folder: Folder, v: int = 1) -> None:
    at = await activate(ground, id, user)
    moved = unit(at, chosen(user, SettingsChanged(id, folder=folder), v))
    assert await ground.store.commit([moved], wait=True) == ["committed"]


async def synced(ground: Ground, user: UserId, **heads: int) -> list[Conversation]:
    since = await ground.store.now()
    page = await ground.store.sync(user, {ConversationId(id[1:]): c for id, c in heads.items()}, since, False, None)
    return [one for one in page.conversations if isinstance(one, Conversation)]


async def test_it_is_a_request_to_whoever_does_not_follow_the_one_who_opens(ground: Ground, users: Users) -> None:
    me, follower, asking, stranger = (users.draw() for _ in range(4))
    await ground.follow(follower, me)
    await ground.follow(asking, me, requested=True)
    await ground.follow(me, stranger)
    for other, where in ((follower, "inbox"), (asking, "requests"), (stranger, "requests")):
        id = await opened(ground.store, me, other)
        assert [await folder(ground, user, id) for user in (me, other)] == ["inbox", where]
        assert await opened(ground.store, other, me) == id
        assert [await folder(ground, user, id) for user in (me, other)] == ["inbox", where]


async def test_a_group_is_a_request_to_those_who_do_not_follow_its_creator(ground: Ground, users: Users) -> None:
    me, follower, stranger = (users.draw() for _ in range(3))
    await ground.follow(follower, me)
    made = await ground.store.create(me, "group", [follower, stranger], None, 0, True)
    assert made
    id = made.event.conversation
    assert [await folder(ground, user, id) for user in (me, follower, stranger)] == ["inbox", "inbox", "requests"]


async def test_a_request_is_listed_and_synced_once_something_was_said(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await opened(ground.store, me, other)
    assert await listed(ground, me) == [("inbox", id)]
    assert await listed(ground, other) == []
    assert await synced(ground, other) == []
    await talk(ground, id, me, 1)
    assert await listed(ground, other) == [("requests", id)]
    assert [one.folder for one in await synced(ground, other)] == ["requests"]


async def test_what_is_accepted_is_in_the_inbox_and_can_be_archived_from_then_on(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await opened(ground.store, me, other)
    await talk(ground, id, me, 1)
    at = await activate(ground, id, other)
    assert [member.settings for member in at.members] == [Settings(), Settings(folder="requests")]
    archived = unit(at, chosen(other, SettingsChanged(id, archived=True)))
    assert await ground.store.commit([archived], wait=True) == ["committed"]
    assert await listed(ground, other) == [("requests", id)]
    await move(ground, id, other, "inbox", 2)
    assert await listed(ground, other) == [("archive", id)]
    at = await activate(ground, id, other)
    assert at.members[1].settings == Settings(folder="inbox", archived=True, v=2)


async def test_what_was_declined_is_in_no_list_and_comes_in_a_sync_when_its_member_moved_it(
    ground: Ground, users: Users
) -> None:
    me, other = users.pair()
    id = await opened(ground.store, me, other)
    await talk(ground, id, me, 2)
    await move(ground, id, other, "declined")
    assert await listed(ground, other) == []
    assert await folder(ground, other, id) == "declined"
    for heads in ({}, {f"c{id}": 1}):
        (again,) = await synced(ground, other, **heads)
        assert (again.folder, again.events) == ("declined", UNSET)
    await ground.age(id)
    await talk(ground, id, me, 1)
    assert await synced(ground, other) == await synced(ground, other, **{f"c{id}": 1}) == []
    assert [one.id for one in await synced(ground, me)] == [id]
    await move(ground, id, other, "inbox", 2)
    (back,) = await synced(ground, other, **{f"c{id}": 1})
    assert isinstance(back.events, list)
    assert [event.c for event in back.events] == [2, 3]


@pytest.mark.parametrize("where", ["requests", "declined"])
async def test_marks_of_a_request_are_kept_and_shown_to_its_own_member(
    ground: Ground, users: Users, where: Folder
) -> None:
    me, other = users.pair()
    id = await opened(ground.store, me, other)
    await talk(ground, id, me, 2)
    at = await activate(ground, id, other)
    await ground.store.commit([unit(at, marked(id, other, 2, 1, shown=False), marked(id, me, 2))], wait=False)
    if where == "declined":
        await move(ground, id, other, "declined")
    seen = {user: await ground.store.receipts(user, id) or () for user in (me, other)}
    assert [(one.delivered_c, one.read_c) for one in seen[me]] == [(2, 0), (UNSET, UNSET)]
    assert [(one.delivered_c, one.read_c) for one in seen[other]] == [(2, 0), (2, 1)]
    await move(ground, id, other, "inbox", 2)
    assert [(one.delivered_c, one.read_c) for one in await ground.store.receipts(me, id) or ()] == [(2, 0), (2, 1)]


async def test_a_scan_tells_the_choices_of_a_request_to_its_member_and_its_marks_to_nobody_else(
    ground: Ground, users: Users
) -> None:
    me, other = users.pair()
    id = await opened(ground.store, me, other)
    await talk(ground, id, me, 1)
    at = await activate(ground, id, other)
    await ground.store.commit([unit(at, marked(id, other, 1, 1, shown=False), marked(id, me, 1))], wait=False)

    async def scanned() -> tuple[list[tuple[UserId, ...]], list[Moved]]:
        found = await ground.store.scan(Millis(await ground.store.now() - 10_000), shards_of(me), None)
        heard = [one.users for one in found.heard if one.event.conversation == id]
        return heard, [one for one in found.moved if one.conversation == id]

    mine = Moved(id, me, 1, 0, Settings(), True, (other,))
    assert await scanned() == ([(me, other)], [mine, Moved(id, other, 1, 1, Settings(folder="requests"), True, ())])
    assert await undelivered(ground, id, me, other) == 0
    await talk(ground, id, me, 1)
    assert await undelivered(ground, id, me, other) == 1
    await move(ground, id, other, "declined")
    assert await undelivered(ground, id, me, other) == 0
    alone = Moved(id, me, 1, 0, Settings(), True, ())
    assert await scanned() == (
        [(me,), (me,)],
        [alone, Moved(id, other, 1, 1, Settings(folder="declined", v=1), True, ())],
    )
    await move(ground, id, other, "inbox", 2)
    assert await scanned() == (
        [(me, other), (me, other)],
        [mine, Moved(id, other, 1, 1, Settings(folder="inbox", v=2), True, (me,))],
    )


async def undelivered(ground: Ground, id: ConversationId, *users: UserId) -> int:
    now = await ground.store.now()
    return await ground.store.count_undelivered(Millis(now - 10_000), Millis(now + 10_000), shards_of(id, *users))


async def test_who_blocks_or_is_blocked_opens_nothing(ground: Ground, users: Users) -> None:
    me, other, third = (users.draw() for _ in range(3))
    id = await opened(ground.store, me, third)
    await ground.block(me, other)
    await ground.block(third, me)
    for one, two in ((me, other), (me, third)):
        assert await ground.store.open(one, two) is None
        assert await ground.store.open(two, one) is None
    assert await ground.store.blocked(me, [other, third, users.draw()]) == {other, third}
    assert await ground.store.blocked(other, [me, third]) == {me}
    assert await ground.store.blocked(me, []) == set()
    await ground.unblock(third, me)
    assert await ground.store.open(me, third) == id


async def test_a_writer_learns_who_in_its_conversation_blocks_whom(ground: Ground, users: Users) -> None:
    me, other, third = (users.draw() for _ in range(3))
    id, pair = await group(ground, me, [other, third]), await direct(ground, me, other)
    for one, two in ((other, me), (me, other), (third, other), (me, users.draw())):
        await ground.block(one, two)
    at = await activate(ground, id, me)
    assert (at.direct, at.blocked) == (False, ((me, other), (other, third)))
    at = await activate(ground, pair, me)
    assert (at.direct, at.blocked) == (True, ((me, other),))


async def test_between_two_of_whom_one_blocks_the_other_no_marks_are_shown(ground: Ground, users: Users) -> None:
    me, other, third = (users.draw() for _ in range(3))
    id = await group(ground, me, [other, third])
    at = await activate(ground, id, me)
    marks = [marked(id, user, 1, 1) for user in (me, other, third)]
    await ground.store.commit([unit(at, *marks)], wait=False)
    await ground.block(other, me)
    for user, silent in ((me, other), (other, me)):
        seen = await ground.store.receipts(user, id) or ()
        assert [one.user for one in seen if one.read_c is UNSET] == [silent]
    assert all(one.read_c == 1 for one in await ground.store.receipts(third, id) or ())
    found = await ground.store.scan(Millis(await ground.store.now() - 10_000), shards_of(me), None)
    others = [one.others for one in found.moved if one.conversation == id]
    assert others == [(third,), (third,), (me, other)]
