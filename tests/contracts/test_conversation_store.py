"""What every conversation store does, whatever it stands on: who writes, what is durable, what is known."""

import asyncio

import pytest

from persistence.conversations.contract import DataFault, Known, MemberState, Unit
from protocol.conversations import MemberSettings
from protocol.events import ConversationChanged, SettingsChanged
from protocol.facts import NOTHING_SET, Fact, Said, Settings
from protocol.ids import EPOCH, ConversationId, Millis, UserId, shard_of
from tests.contracts.grounds import START, Ground, Users, activate, chosen, direct, marked, said, unit

NOWHERE = ConversationId("77")
NOBODY = UserId("78")


async def test_a_pair_has_one_direct_conversation_on_the_shard_of_the_smaller_id(ground: Ground, users: Users) -> None:
    low, high = users.pair()
    id, *same = await asyncio.gather(*(direct(ground, *pair) for pair in ((low, high), (high, low)) * 3))
    assert same == [id] * 5
    assert shard_of(id) == shard_of(low)
    made_at = (int(id) >> 23) + EPOCH
    assert abs(made_at - await ground.store.now()) < 60_000


async def test_whoever_opens_a_direct_conversation_with_themself_is_its_one_member(
    ground: Ground, users: Users
) -> None:
    me = users.draw()
    conversation = await ground.store.get(me, await direct(ground, me, me))
    assert conversation
    assert [member.user for member in conversation.members] == [me]


async def test_a_group_is_created_once_per_cid_with_its_first_event(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    first, *rest = await asyncio.gather(
        *(ground.store.create(me, "group", [other, me, other], "Tea", 7, True) for _ in range(4))
    )
    assert first
    again = [created for created in (first, *rest) if created and created.again]
    assert len(again) == 3
    assert {created.event for created in (first, *rest) if created} == {first.event}
    assert {created.digest for created in again} == {7}
    assert first.members == (me, other)
    assert isinstance(first.event, ConversationChanged)
    assert (first.event.c, first.event.sender, first.event.title) == (1, me, "Tea")
    assert shard_of(first.event.conversation) == shard_of(me)
    conversation = await ground.store.get(other, first.event.conversation)
    assert conversation
    assert [(member.user, member.role, member.joined_c) for member in conversation.members] == [
        (me, "owner", 0),
        (other, "member", 0),
    ]
    assert (conversation.title, conversation.last_c, conversation.last) == ("Tea", 1, first.event)


async def test_who_may_not_create_learns_only_what_their_cid_made_before(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    assert await ground.store.create(me, "group", [other], None, 7, False) is None
    made = await ground.store.create(me, "group", [other], None, 7, True)
    found = await ground.store.create(me, "group", [], "Other", 8, False)
    assert made
    assert found
    assert (found.event, found.digest, found.again) == (made.event, 7, True)


async def test_an_activation_raises_the_fence_and_tells_the_state(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    first = await activate(ground, id, me)
    facts = [said(id, c, me, digest=c) for c in (1, 2, 3)]
    quiet = chosen(other, SettingsChanged(id, send_receipts=False, draft="to"))
    await ground.store.commit([unit(first, *facts, marked(id, other, 3, 2), quiet)], wait=False)
    cids = [(me, "cid 2"), (other, "cid 3"), (me, "new")]
    second = await ground.store.activate(id, [NOBODY, other], cids, 1)
    assert second
    assert (second.id, second.fence, second.last_c) == (id, first.fence + 1, 3)
    assert second.at >= facts[-1].event.at
    assert second.known == (Known(me, "cid 2", 2, facts[1].event.at, 2),)
    assert second.missed == (facts[1].event, facts[2].event)
    assert second.members == (
        MemberState(me, 0, 0, 0, NOTHING_SET),
        MemberState(other, 0, 3, 2, Settings(send_receipts=False, draft="to", v=1)),
    )


async def test_strangers_activate_nothing_and_raise_no_fence(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    before = await activate(ground, id, me)
    assert await ground.store.activate(id, [users.draw()], [], None) is None
    assert await ground.store.activate(id, [], [], None) is None
    assert await ground.store.activate(NOWHERE, [me], [], None) is None
    assert await ground.store.commit([unit(before, said(id, 1, me))], wait=False) == ["committed"]


async def test_a_former_member_may_still_ask_the_writer(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, said(id, 1, me))], wait=False)
    await ground.span(id, other, 0, 1)
    assert [member.left_c for member in (await activate(ground, id, other)).members] == [0, 1]


async def test_each_unit_of_a_batch_has_its_own_outcome_in_order(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = [await direct(ground, me, users.draw()) for _ in range(5)]
    good, stale, old, repeated, locked = [await activate(ground, id, me) for id in ids]
    await ground.store.commit([unit(stale, said(stale.id, 1, me)), unit(repeated, said(repeated.id, 1, me))], wait=True)
    await activate(ground, old.id, me)
    units = [
        unit(repeated, said(repeated.id, 2, me, cid="cid 1"), last_c=1),
        unit(locked, said(locked.id, 1, me)),
        unit(old, said(old.id, 1, me)),
        unit(good, said(good.id, 1, me)),
        unit(stale, said(stale.id, 1, me, cid="other")),
        Unit(NOWHERE, 0, 0, (said(NOWHERE, 1, me),)),
    ]
    async with ground.hold(locked.id):
        outcomes = await ground.store.commit(units, wait=False)
    assert outcomes == ["known", "skipped", "lost", "committed", "lost", "skipped"]
    assert await ground.store.commit(units[1:2], wait=True) == ["committed"]
    assert await ground.store.commit(units[-1:], wait=True) == ["lost"]
    heads = [(await activate(ground, id, me)).last_c for id in ids]
    assert heads == [1, 1, 0, 1, 1]


async def test_a_waiting_commit_gets_the_row_when_its_holder_is_done(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    async with asyncio.TaskGroup() as group, ground.hold(id):
        commit = group.create_task(ground.store.commit([unit(at, said(id, 1, me))], wait=True))
        assert await ground.store.commit([unit(at, said(id, 1, me))], wait=False) == ["skipped"]
        assert not commit.done()
    assert commit.result() == ["committed"]


async def test_an_activation_waits_for_the_row_and_voids_its_former_writer(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    async with asyncio.TaskGroup() as group, ground.hold(id):
        later = group.create_task(activate(ground, id, me))
        assert await ground.store.commit([unit(at, said(id, 1, me))], wait=False) == ["skipped"]
        assert not later.done()
    assert later.result().fence == at.fence + 1
    assert await ground.store.commit([unit(at, said(id, 1, me))], wait=True) == ["lost"]


async def test_a_unit_without_facts_tells_whether_its_writer_still_is_one_and_moves_nothing(
    ground: Ground, users: Users
) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, said(id, 1, me))], wait=False)
    before = await ground.store.get(me, id)
    writer = Unit(id, at.fence, 1, ())
    assert await ground.store.commit([writer], wait=False) == ["committed"]
    assert await ground.store.get(me, id) == before
    await activate(ground, id, other)
    assert await ground.store.commit([writer], wait=True) == ["lost"]


async def test_nothing_of_a_lost_unit_is_written(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, said(id, 1, me))], wait=False)
    facts = (said(id, 1, me, cid="x"), marked(id, other, 1, 1), chosen(me, SettingsChanged(id, pinned=True)))
    assert await ground.store.commit([unit(at, *facts)], wait=False) == ["lost"]
    conversation = await ground.store.get(me, id)
    assert conversation
    assert (conversation.last_c, conversation.settings) == (1, MemberSettings())
    assert [member.read_c for member in conversation.members] == [0, 0]
    assert await ground.store.find(id, me, ["x"]) == ()


async def test_marks_only_grow_and_end_at_the_durable_head(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    moves = [
        (marked(id, other, 9, 1), (2, 1)),
        (marked(id, other, 1), (2, 1)),
        (marked(id, other, read_c=2), (2, 2)),
        (marked(id, other, 0, 1), (2, 2)),
    ]
    await ground.store.commit([unit(at, said(id, 1, me), said(id, 2, me))], wait=False)
    for moved, marks in moves:
        stranger = marked(id, users.draw(), 1, 1)
        assert await ground.store.commit([unit(at, moved, stranger, last_c=2)], wait=False) == ["committed"]
        receipts = await ground.store.receipts(me, id)
        assert receipts
        assert (receipts[1].delivered_c, receipts[1].read_c) == marks


async def test_settings_of_a_member_are_merged_in_order(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    changes = [
        SettingsChanged(id, pinned=True, draft="a\\u0000 \u2028"),
        SettingsChanged(id, mute_until=5, pinned=False),
    ]
    facts: list[Fact] = [chosen(me, changes[0]), marked(id, me, 0), chosen(me, changes[1])]
    await ground.store.commit([unit(at, *facts)], wait=False)
    await ground.store.commit([unit(at, chosen(me, SettingsChanged(id, archived=True)))], wait=False)
    mine, theirs = await ground.store.get(me, id), await ground.store.get(other, id)
    assert mine
    assert theirs
    assert mine.settings == MemberSettings(mute_until=5, pinned=False, archived=True, draft="a\\u0000 \u2028")
    assert (mine.folder, theirs.folder, theirs.settings) == ("archive", "inbox", MemberSettings())


async def test_a_title_said_in_the_log_is_the_conversations(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    created = await ground.store.create(me, "group", [other], "Tea", 0, True)
    assert created
    id = created.event.conversation
    at = await activate(ground, id, me)
    event = ConversationChanged(conversation=id, c=2, sender=me, cid="title", at=Millis(START), title="Cake")
    await ground.store.commit([unit(at, Said(event, 0), said(id, 3, me))], wait=False)
    conversation = await ground.store.get(other, id)
    assert conversation
    assert (conversation.title, conversation.last_c) == ("Cake", 3)


@pytest.mark.parametrize("fault", ["NUL", "surrogate", "digest", "gap", "repeat", "body", "draft"])
async def test_refused_data_takes_its_whole_batch_along(ground: Ground, users: Users, fault: str) -> None:
    me, other = users.pair()
    ids = [await direct(ground, me, other), await direct(ground, me, me)]
    good, bad = [await activate(ground, id, me) for id in ids]
    refused: dict[str, tuple[Fact, ...]] = {
        "NUL": (said(bad.id, 1, me, cid="a\0b"),),
        "surrogate": (said(bad.id, 1, me, cid="\ud800"),),
        "digest": (said(bad.id, 1, me, digest=2**63),),
        "gap": (said(bad.id, 2, me),),
        "repeat": (said(bad.id, 1, me, cid="x"), said(bad.id, 2, me, cid="x")),
        "body": (said(bad.id, 1, me, text="\ud800"),),
        "draft": (chosen(me, SettingsChanged(bad.id, draft="a\0b")),),
    }
    with pytest.raises(DataFault):
        await ground.store.commit([unit(good, said(good.id, 1, me)), unit(bad, *refused[fault])], wait=False)
    assert [(await activate(ground, id, me)).last_c for id in ids] == [0, 0]


async def test_find_knows_the_askers_own_cids_for_as_long_as_the_log_stands(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    at = await activate(ground, id, me)
    events = [said(id, 1, me, cid="a", digest=5), said(id, 2, other, cid="b")]
    await ground.store.commit([unit(at, *events)], wait=False)
    await ground.span(id, other, 0, 2)
    assert await ground.store.find(id, me, ["a", "b", "c"]) == (Known(me, "a", 1, events[0].event.at, 5),)
    assert [known.cid for known in await ground.store.find(id, other, ["a", "b"])] == ["b"]
    assert await ground.store.find(id, users.draw(), ["a"]) == ()
    assert await ground.store.find(NOWHERE, me, ["a"]) == ()


async def test_undelivered_are_heads_beyond_the_delivered_mark(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = [await direct(ground, me, users.draw()) for _ in range(3)]
    for id, delivered_c in zip(ids, (0, 2, 1), strict=True):
        at = await activate(ground, id, me)
        await ground.store.commit(
            [unit(at, *(said(id, c, me) for c in (1, 2, 3)), marked(id, me, delivered_c))], wait=True
        )
    await ground.span(ids[2], me, 0, 3)
    heads = {ids[0]: 9, ids[1]: 2, ids[2]: 3, NOWHERE: 4}
    assert await ground.store.undelivered(me, heads) == [(ids[0], 3)]
