"""What a scan of the log finds: whatever was stored since, for the users of some shards."""

from collections.abc import Sequence

import pytest

from persistence.conversations.contract import Heard, Moved
from persistence.conversations.views import EVENTS_A_SCAN, RECEIPTS_UP_TO
from protocol.events import ConversationChanged, SettingsChanged
from protocol.facts import NOTHING_SET, Fact, Settings
from protocol.ids import ConversationId, Millis, UserId
from tests.contracts.grounds import (
    Ground,
    Users,
    activate,
    chosen,
    direct,
    elsewhere,
    group,
    marked,
    said,
    shards_of,
    talk,
    unit,
)

NOBODY = shards_of()
LATER_MS = 3_600_000


async def recently(ground: Ground) -> Millis:
    """Half an hour ago: after whatever has been aged, before all else."""
    return Millis(await ground.store.now() - 1_800_000)


async def heard(ground: Ground, ids: Sequence[ConversationId], *users: UserId) -> list[Heard]:
    """What was said there lately, for the shards of these users."""
    scanned = await ground.store.scan(await recently(ground), shards_of(*users), None)
    assert scanned.then is None
    return [one for one in scanned.heard if one.event.conversation in ids]


async def places(ground: Ground, id: ConversationId, *users: UserId) -> list[tuple[int, tuple[UserId, ...]]]:
    return [(one.event.c, one.users) for one in await heard(ground, [id], *users)]


async def moved(ground: Ground, ids: Sequence[ConversationId], *users: UserId) -> list[Moved]:
    """Who got on there lately, for the shards of these users."""
    scanned = await ground.store.scan(await recently(ground), shards_of(*users), None)
    return [one for one in scanned.moved if one.conversation in ids]


async def decide(ground: Ground, id: ConversationId, asker: UserId, *facts: Fact) -> None:
    assert await ground.store.commit([unit(await activate(ground, id, asker), *facts)], wait=True) == ["committed"]


async def test_a_scan_finds_what_was_stored_since_with_those_who_may_see_it(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    old, new = [await direct(ground, me, user) for user in (users.draw(), other)]
    await talk(ground, old, me, 2)
    await ground.age(old)
    await talk(ground, new, other, 2)
    await talk(ground, old, me, 1)
    found = await heard(ground, [old, new], me)
    assert {(one.event.conversation, one.event.c) for one in found} == {(new, 1), (new, 2), (old, 3)}
    assert Heard(said(new, 1, other).event, (me, other)) in found


async def test_events_of_one_batch_come_by_conversation_and_place(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = sorted([await direct(ground, me, users.draw()) for _ in range(3)], key=int)
    activated = [await activate(ground, id, me) for id in reversed(ids)]
    units = [unit(at, said(at.id, 1, me), said(at.id, 2, me)) for at in activated]
    await ground.store.commit(units, wait=True)
    found = await heard(ground, ids, me)
    assert [(one.event.conversation, one.event.c) for one in found] == [(id, c) for id in ids for c in (1, 2)]


async def test_only_users_of_the_shards_asked_about_are_told(ground: Ground, users: Users) -> None:
    me = users.draw()
    near, far = elsewhere(me, 1), elsewhere(me, 8)
    made = await ground.store.create(me, "group", [near, far], "Tea", 0, True)
    assert made
    id = made.event.conversation
    await talk(ground, id, me, 1)
    assert await places(ground, id, near) == [(1, (near,)), (2, (near,))]
    assert await places(ground, id, far, me) == [(1, (me, far)), (2, (me, far))]
    (first, _) = await heard(ground, [id], me)
    assert isinstance(first.event, ConversationChanged)
    assert await places(ground, id, elsewhere(me, 2), elsewhere(me, 9)) == []


@pytest.mark.parametrize("shard", [0, 1, 7, 8, 9, 4_095, 8_191])
async def test_the_lowest_bit_of_the_first_byte_is_shard_zero(ground: Ground, users: Users, shard: int) -> None:
    me, there = [UserId(str(int(users.draw()) >> 23 << 23 | each << 10 | 5)) for each in (shard ^ 2, shard)]
    id = await direct(ground, me, there)
    await talk(ground, id, me, 1)
    asked = bytearray(1_024)
    asked[shard // 8] = 1 << shard % 8
    scanned = await ground.store.scan(await recently(ground), bytes(asked), None)
    assert [one.users for one in scanned.heard if one.event.conversation == id] == [(there,)]


async def test_nobody_asked_about_is_told_nothing(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 1)
    await decide(ground, id, me, marked(id, me, 1, 1))
    scanned = await ground.store.scan(await recently(ground), NOBODY, None)
    assert (scanned.heard, scanned.moved) == ((), ())
    assert await ground.store.count_undelivered(Millis(0), Millis(2**42), NOBODY) == 0


async def test_a_former_member_is_told_up_to_their_own_removal(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 4)
    await ground.span(id, other, 0, 3)
    assert await places(ground, id, other) == [(1, (me, other)), (2, (me, other)), (3, (me, other)), (4, (me,))]


async def test_a_newcomer_is_told_from_their_own_joining_on(ground: Ground, users: Users) -> None:
    me = users.draw()
    other = elsewhere(me)
    id = await direct(ground, me, other)
    await talk(ground, id, me, 4)
    await ground.span(id, other, 3, 0)
    assert await places(ground, id, other) == [(3, (other,)), (4, (other,))]


async def test_a_long_scan_goes_on_where_it_ended_and_tells_each_event_once(ground: Ground, users: Users) -> None:
    me = users.draw()
    mine, theirs = await direct(ground, me, users.draw()), await direct(ground, elsewhere(me), elsewhere(me, 2))
    await talk(ground, mine, me, EVENTS_A_SCAN - 1)
    await talk(ground, theirs, elsewhere(me), EVENTS_A_SCAN)
    await talk(ground, mine, me, 3)
    await decide(ground, mine, me, marked(mine, me, 1, 1))
    since, then = await recently(ground), None
    told, marks, pages = [], [], 0
    while pages == 0 or then:
        scanned = await ground.store.scan(since, shards_of(me), then)
        told += [one.event.c for one in scanned.heard if one.event.conversation == mine]
        marks.append([one.user for one in scanned.moved if one.conversation == mine])
        then, pages = scanned.then, pages + 1
        assert len(scanned.heard) <= EVENTS_A_SCAN
    assert told == list(range(1, EVENTS_A_SCAN + 3))
    assert pages >= 3
    assert marks == [[me]] + [[]] * (pages - 1)
    # The other tests look at one page.
    await ground.age(mine)
    await ground.age(theirs)


async def test_a_scan_goes_on_from_no_other_place_than_one_of_its_own(ground: Ground) -> None:
    for wrong in ("", "1", "1-2", "a-1-2", "1-2-3-4", f"1-{2**63}-1"):
        with pytest.raises(ValueError, match="no place of a scan"):
            await ground.store.scan(Millis(0), NOBODY, wrong)


async def test_marks_and_settings_are_told_to_their_member_and_marks_to_the_others(
    ground: Ground, users: Users
) -> None:
    me = users.draw()
    other, third = elsewhere(me, 1), elsewhere(me, 2)
    id = await group(ground, me, [other, third])
    await talk(ground, id, me, 4)
    draft = chosen(me, SettingsChanged(id, draft="to", pinned=True))
    await decide(ground, id, me, marked(id, me, 4, 3), marked(id, other, 2), draft)
    settings = Settings(draft="to", pinned=True, v=1)
    assert await moved(ground, [id], me) == [
        Moved(id, me, 4, 3, settings, True, ()),
        Moved(id, other, 2, 0, NOTHING_SET, False, (me,)),
    ]
    assert await moved(ground, [id], other, third) == [
        Moved(id, me, 4, 3, settings, False, (other, third)),
        Moved(id, other, 2, 0, NOTHING_SET, True, (third,)),
    ]


async def test_what_moved_before_is_not_told_again(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 2)
    await decide(ground, id, me, marked(id, me, 1, 1), marked(id, other, 1, 1))
    await ground.age(id)
    assert await moved(ground, [id], me) == []
    await decide(ground, id, me, marked(id, other, 2, 1))
    assert [(one.user, one.delivered_c, one.read_c) for one in await moved(ground, [id], me)] == [(other, 2, 1)]


async def test_who_sends_no_receipts_is_told_their_own_marks_and_nobody_else(ground: Ground, users: Users) -> None:
    me = users.draw()
    other = elsewhere(me)
    id = await direct(ground, me, other)
    await talk(ground, id, me, 1)
    quiet = chosen(other, SettingsChanged(id, send_receipts=False))
    await decide(ground, id, me, quiet, marked(id, other, 1, 1, shown=False))
    assert await moved(ground, [id], me) == []
    assert await moved(ground, [id], me, other) == [
        Moved(id, other, 1, 1, Settings(send_receipts=False, v=1), True, ())
    ]


@pytest.mark.parametrize("more", [0, 1])
async def test_marks_are_told_to_others_while_a_conversation_is_small(ground: Ground, users: Users, more: int) -> None:
    me = users.draw()
    others = [users.draw() for _ in range(RECEIPTS_UP_TO - 1 + more)]
    left = users.draw()
    id = await group(ground, me, [*others, left])
    await ground.span(id, left, 0, 1)
    await decide(ground, id, me, marked(id, me, 1, 1))
    assert await moved(ground, [id], me) == [Moved(id, me, 1, 1, NOTHING_SET, True, () if more else tuple(others))]


async def test_marks_concern_no_former_member(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    third = elsewhere(me)
    id = await group(ground, me, [other, third])
    await decide(ground, id, me, marked(id, other, 1, 1), marked(id, third, 1, 1))
    await ground.span(id, other, 0, 1)
    assert await moved(ground, [id], me) == [Moved(id, third, 1, 1, NOTHING_SET, False, (me,))]


async def count(ground: Ground, id: ConversationId, since_ms: int = LATER_MS, until_ms: int = -LATER_MS) -> int:
    """Of the shard of this conversation, between so long ago and so long ago."""
    now = await ground.store.now()
    return await ground.store.count_undelivered(Millis(now - since_ms), Millis(now - until_ms), shards_of(id))


async def test_a_message_is_undelivered_for_each_other_member_who_has_not_got_so_far(
    ground: Ground, users: Users
) -> None:
    me, other = users.pair()
    third, gone, late = users.draw(), users.draw(), users.draw()
    id = await group(ground, me, [other, third, gone, late])
    await talk(ground, id, me, 3)
    await ground.span(id, gone, 0, 3)
    await ground.span(id, late, 3, 0)
    before = 3 + 3 + 2
    assert await count(ground, id) == before
    await decide(ground, id, me, marked(id, other, 3, 0), marked(id, third, 0, 2))
    assert await count(ground, id) == before - 2 - 1
    assert await count(ground, id, until_ms=LATER_MS // 2) == 0
    assert await count(ground, id, since_ms=-LATER_MS // 2) == 0
    await ground.age(id)
    assert await count(ground, id, since_ms=LATER_MS // 2) == 0
    assert await count(ground, id, 2 * LATER_MS, LATER_MS // 2) == before - 2 - 1


async def test_undelivered_messages_are_counted_where_their_conversation_lives(ground: Ground, users: Users) -> None:
    me = users.draw()
    other = elsewhere(me)
    id = await direct(ground, me, other)
    await talk(ground, id, other, 1)
    now = await ground.store.now()
    window = Millis(now - LATER_MS), Millis(now + LATER_MS)
    assert await ground.store.count_undelivered(*window, shards_of(other)) == 0
    assert await ground.store.count_undelivered(*window, shards_of(me, other)) == 1
