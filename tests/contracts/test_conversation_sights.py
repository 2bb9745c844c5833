"""What every conversation store shows, and to whom: conversations, lists, history, sync."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec import UNSET

from protocol.codec import JSON
from protocol.conversations import Conversation, Gone
from protocol.events import AnyLogEvent, SettingsChanged
from protocol.facts import Fact
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import SyncPage
from tests.contracts.grounds import Ground, Users, activate, chosen, direct, marked, talk, unit

NOWHERE = ConversationId("77")


async def look(ground: Ground, user: UserId, id: ConversationId) -> Conversation:
    conversation = await ground.store.get(user, id)
    assert conversation
    return conversation


def places(events: list[AnyLogEvent] | tuple[AnyLogEvent, ...]) -> list[int]:
    return [event.c for event in events]


async def test_strangers_see_what_does_not_exist(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    for user, there in ((users.draw(), id), (me, NOWHERE)):
        assert await ground.store.get(user, there) is None
        assert await ground.store.receipts(user, there) is None
        assert await ground.store.history(user, there, None, None, 10) is None


async def test_unread_are_others_messages_after_the_read_mark_up_to_a_hundred(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    created = await ground.store.create(me, "group", [other], None, 0, True)
    assert created
    id = created.event.conversation
    await talk(ground, id, me, 3)
    assert [(await look(ground, user, id)).unread for user in (me, other)] == [0, 3]
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, marked(id, other, 3, 3))], wait=False)
    assert (await look(ground, other, id)).unread == 1
    await ground.span(id, other, 4, 0)
    assert (await look(ground, other, id)).unread == 0
    await talk(ground, id, me, 120)
    assert (await look(ground, other, id)).unread == 100


async def test_unread_are_counted_over_all_others_and_past_whatever_i_said(ground: Ground, users: Users) -> None:
    me, ada, ben = users.draw(), users.draw(), users.draw()
    created = await ground.store.create(me, "group", [ada, ben], None, 0, True)
    assert created
    id = created.event.conversation
    for sender, count in ((ada, 2), (me, 150), (ben, 3), (me, 150), (ada, 1)):
        await talk(ground, id, sender, count)
    assert (await look(ground, me, id)).unread == 6
    await ground.span(id, ada, 0, 306)
    assert (await look(ground, me, id)).unread == 6
    await ground.span(id, me, 0, 155)
    assert (await look(ground, me, id)).unread == 4
    await ground.span(id, me, 3, 0)
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, marked(id, me, 154, 154))], wait=False)
    assert (await look(ground, me, id)).unread == 3
    await talk(ground, id, ben, 60)
    await talk(ground, id, ada, 60)
    assert (await look(ground, me, id)).unread == 100


async def test_marks_are_hidden_from_others_by_who_sends_no_receipts(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 2)
    at = await activate(ground, id, me)
    quiet = chosen(other, SettingsChanged(id, send_receipts=False))
    await ground.store.commit([unit(at, marked(id, other, 2, 1), marked(id, me, 2, 2), quiet)], wait=False)
    for user, marks in ((me, (UNSET, UNSET)), (other, (2, 1))):
        receipts = await ground.store.receipts(user, id)
        assert receipts
        assert [(member.delivered_c, member.read_c) for member in receipts] == [(2, 2), marks]


async def test_a_former_member_sees_the_conversation_as_of_then(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 5)
    await ground.span(id, other, 0, 3)
    at = await activate(ground, id, me)
    await ground.store.commit([unit(at, marked(id, me, 5, 5))], wait=False)
    seen = await look(ground, other, id)
    assert (seen.last_c, seen.unread) == (3, 3)
    assert isinstance(seen.last, msgspec.Struct)
    assert seen.last.c == 3
    assert [(member.read_c, member.left_c) for member in seen.members] == [(3, UNSET), (0, 3)]
    history = await ground.store.history(other, id, None, None, 10)
    assert history
    assert places(history.events) == [1, 2, 3]


async def test_who_joined_later_sees_nothing_before_and_who_left_before_sees_nobody_after(
    ground: Ground, users: Users
) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 5)
    await ground.span(id, me, 0, 2)
    await ground.span(id, other, 4, 0)
    late = await ground.store.history(other, id, 0, None, 10)
    assert late
    assert (places(late.events), late.more) == ([4, 5], False)
    assert [member.user for member in (await look(ground, me, id)).members] == [me]
    assert [member.left_c for member in (await look(ground, other, id)).members] == [2, UNSET]


async def test_a_list_walks_all_conversations_newest_activity_first(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = [await direct(ground, me, users.draw()) for _ in range(7)]
    await talk(ground, ids[2], me, 60)
    at = await activate(ground, ids[4], me)
    await ground.store.commit([unit(at, chosen(me, SettingsChanged(ids[4], archived=True)))], wait=False)
    walked: list[Conversation] = []
    before = None
    while True:
        page = await ground.store.page(me, "inbox", before, 4)
        assert len(page.items) <= 4
        walked += page.items
        if page.next is UNSET:
            break
        before = page.next
    assert sorted(one.id for one in walked) == sorted(id for id in ids if id != ids[4])
    assert walked == sorted(walked, key=lambda one: (one.at, int(one.id)), reverse=True)
    archive = await ground.store.page(me, "archive", None, 4)
    assert [one.id for one in archive.items] == [ids[4]]
    assert not (await ground.store.page(me, "requests", None, 4)).items


async def test_a_list_and_history_end_at_200_kib(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = [await direct(ground, me, users.draw()) for _ in range(12)]
    for id in ids:
        await talk(ground, id, me, 1, "\u0001" * 4_000)
    page = await ground.store.page(me, "inbox", None, 50)
    assert len(JSON.encode(page)) <= 201 * 1024
    assert 0 < len(page.items) < 12
    assert page.next is not UNSET
    rest = await ground.store.page(me, "inbox", page.next, 50)
    assert {one.id for one in page.items + rest.items} == set(ids)
    await talk(ground, ids[0], me, 12, "\u0001" * 4_000)
    forwards = await ground.store.history(me, ids[0], 0, None, 100)
    backwards = await ground.store.history(me, ids[0], None, None, 100)
    assert forwards
    assert backwards
    assert len(JSON.encode(forwards)) <= 201 * 1024
    assert (places(forwards.events), forwards.more) == (list(range(1, 9)), True)
    assert (places(backwards.events), backwards.more) == (list(range(6, 14)), True)


@pytest.mark.parametrize(
    ("after", "before", "limit", "found", "more"),
    [
        (None, None, 3, [8, 9, 10], True),
        (None, None, 10, list(range(1, 11)), False),
        (None, 4, 2, [2, 3], True),
        (None, 3, 2, [1, 2], False),
        (None, 1, 5, [], False),
        (None, 2**53, 1, [10], True),
        (0, None, 2, [1, 2], True),
        (8, None, 2, [9, 10], False),
        (2**53, None, 5, [], False),
        (3, 6, 5, [4, 5], False),
    ],
)
async def test_history_goes_on_after_or_before_a_place(
    ground: Ground, users: Users, after: int | None, before: int | None, limit: int, found: list[int], more: bool
) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 10)
    history = await ground.store.history(other, id, after, before, limit)
    assert history
    assert (places(history.events), history.more) == (found, more)


@pytest.mark.parametrize("cursor", ["", "1", "1-2 ", "x-1", f"1-{2**63}", "٣-٤", "12345678901234567-1"])
async def test_foreign_cursors_are_value_errors(ground: Ground, users: Users, cursor: str) -> None:
    me = users.draw()
    with pytest.raises(ValueError, match="cursor"):
        await ground.store.page(me, "inbox", cursor, 10)
    with pytest.raises(ValueError, match="cursor"):
        await ground.store.sync(me, {}, Millis(0), False, cursor)


async def synced(
    ground: Ground, user: UserId, heads: dict[ConversationId, int], since: int, *, only: bool = False
) -> SyncPage:
    return await ground.store.sync(user, heads, Millis(since), only, None)


async def later(ground: Ground) -> int:
    """A `since` that everything happened before, however far the store looks back."""
    return await ground.store.now() + 90_000


async def test_a_named_conversation_comes_back_with_what_follows_its_head(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 60)
    await ground.age(id)
    since = await ground.store.now()
    (first,) = (await synced(ground, other, {id: 3}, since)).conversations
    assert isinstance(first, Conversation)
    assert first.events is not UNSET
    assert (places(first.events), first.more, first.unread) == (list(range(4, 54)), True, 60)
    (rest,) = (await synced(ground, other, {id: 53}, since, only=True)).conversations
    assert isinstance(rest, Conversation)
    assert rest.events is not UNSET
    assert (places(rest.events), rest.more) == (list(range(54, 61)), False)
    assert not (await synced(ground, other, {id: 60}, since)).conversations
    assert not (await synced(ground, other, {id: 2**53}, since)).conversations


Change = Callable[[ConversationId, UserId], Fact]

SHOWN: list[Change] = [
    lambda id, user: marked(id, user, 1),
    lambda id, user: marked(id, user, read_c=1),
    lambda id, user: chosen(user, SettingsChanged(id, send_receipts=False)),
]
HIDDEN: list[Change] = [
    lambda id, user: marked(id, user, 1, shown=False),
    lambda id, user: marked(id, user, read_c=1, shown=False),
    lambda id, user: chosen(user, SettingsChanged(id, pinned=True)),
    lambda id, user: chosen(user, SettingsChanged(id, draft="to myself")),
]


@pytest.mark.parametrize("change", SHOWN + HIDDEN)
async def test_a_conversation_comes_back_when_marks_or_settings_changed_to_whom_that_is_shown(
    ground: Ground, users: Users, change: Change
) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 2)
    at = await activate(ground, id, me)
    await ground.age(id)
    now = await ground.store.now()
    for heads in ({id: 2}, {}):
        for user in (me, other):
            assert not (await synced(ground, user, heads, now)).conversations
    assert await ground.store.commit([unit(at, change(id, me))], wait=False) == ["committed"]
    for heads in ({id: 2}, {}):
        mine, theirs = [(await synced(ground, user, heads, now)).conversations for user in (me, other)]
        assert [item.id for item in theirs] == ([id] if change in SHOWN else [])
        (item,) = mine
        assert isinstance(item, Conversation)
        assert (item.id, item.events) == (id, [] if heads else UNSET)


async def test_messages_bring_back_a_named_conversation_only_beyond_its_head(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await ground.age(id)
    await talk(ground, id, me, 2)
    now = await ground.store.now()
    assert not (await synced(ground, other, {id: 2}, now)).conversations
    assert len((await synced(ground, other, {id: 1}, now)).conversations) == 1
    assert len((await synced(ground, other, {}, now)).conversations) == 1


async def test_an_unnamed_conversation_comes_back_without_events_when_it_changed(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 2)
    now = await ground.store.now()
    (changed,) = (await synced(ground, other, {}, now)).conversations
    assert isinstance(changed, Conversation)
    assert (changed.id, changed.last_c, changed.events, changed.more) == (id, 2, UNSET, UNSET)
    assert not (await synced(ground, other, {}, now, only=True)).conversations
    await ground.age(id)
    assert not (await synced(ground, other, {}, now)).conversations


async def test_what_may_not_be_seen_is_gone_whether_it_exists_or_not(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    page = await synced(ground, users.draw(), {id: 1, NOWHERE: 1}, 0)
    assert page.conversations == [Gone(NOWHERE), Gone(id)]


async def test_a_former_member_syncs_up_to_the_end_of_their_membership(ground: Ground, users: Users) -> None:
    me, other = users.pair()
    id = await direct(ground, me, other)
    await talk(ground, id, me, 5)
    await ground.span(id, other, 2, 4)
    now = await ground.store.now()
    (left,) = (await synced(ground, other, {id: 0}, now)).conversations
    assert isinstance(left, Conversation)
    assert left.events is not UNSET
    assert (places(left.events), left.more, left.last_c) == ([2, 3, 4], False, 4)
    assert not (await synced(ground, other, {id: 4}, now)).conversations
    assert len((await synced(ground, other, {}, now)).conversations) == 1
    assert not (await synced(ground, other, {}, await later(ground))).conversations


async def test_the_pages_of_a_sync_add_up_and_carry_the_first_ones_now(ground: Ground, users: Users) -> None:
    me = users.draw()
    ids = sorted([await direct(ground, me, users.draw()) for _ in range(70)], key=int)
    long = ids[::4]
    for id in long:
        await talk(ground, id, me, 3, "\u0001" * 4_000)
    heads = dict.fromkeys([*ids[:40], NOWHERE], 0)
    began = await ground.store.now()
    pages = [await synced(ground, me, heads, began)]
    while pages[-1].cursor is not UNSET:
        assert len(pages[-1].cursor) <= 128
        pages.append(await ground.store.sync(me, heads, Millis(began), False, pages[-1].cursor))
    assert len(pages) > 2
    assert all(len(JSON.encode(page)) <= 241 * 1024 for page in pages)
    assert {page.now for page in pages} == {pages[0].now}
    assert began <= pages[0].now <= await ground.store.now()
    items = [item for page in pages for item in page.conversations]
    assert [item.id for item in items] == [NOWHERE, *ids]
    for item in items[1:]:
        assert isinstance(item, Conversation)
        if item.id in heads:
            assert item.events is not UNSET
            assert (places(item.events), item.more) == (([1, 2], True) if item.id in long else ([], False))
        else:
            assert (item.events, item.more) == (UNSET, UNSET)
