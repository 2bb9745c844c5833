"""The contract of `GraphStore`, on both stores."""

import time
from collections.abc import AsyncIterator
from typing import get_args

import msgspec
import pytest
from msgspec import UNSET

from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, Deed, Kind, Names, Others
from persistence.pool import open_pool
from protocol.graph import Relation
from protocol.ids import EPOCH, UserId
from protocol.people import Profile
from tests.contracts.graph_grounds import GraphGround, MemoryGraphGround, PostgresGraphGround, person
from tests.contracts.grounds import opened, said, unit

NOBODY = UserId("8")
DEEDS: tuple[Deed, ...] = get_args(Deed)
DECISIONS: dict[Kind, tuple[Deed, Deed, str]] = {
    "block": ("block", "unblock", "blocked"),
    "mute": ("mute", "unmute", "muted"),
    "restrict": ("restrict", "unrestrict", "restricted"),
    "close_friend": ("befriend", "unfriend", "close_friend"),
}


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[GraphGround]:
    if url is None:
        yield MemoryGraphGround()
        return
    async with open_pool(url, 4) as pool:
        yield PostgresGraphGround(pool)


@pytest.fixture
async def ada(ground: GraphGround) -> UserId:
    return await person(ground, "Ada L.")


@pytest.fixture
async def ben(ground: GraphGround) -> UserId:
    return await person(ground)


@pytest.fixture
async def cyd(ground: GraphGround) -> UserId:
    return await person(ground)


async def do(ground: GraphGround, me: UserId, deed: Deed, them: UserId) -> Relation:
    """A deed that has to succeed."""
    relation = await ground.store.change(me, them, deed)
    assert isinstance(relation, Relation), relation
    return relation


async def told(ground: GraphGround, *concerned: UserId) -> list[str]:
    """What was told, as `kind actor>recipient`, people by their places."""
    names = {user: str(place) for place, user in enumerate(concerned)}
    return [
        f"{'un ' * said.undone}{said.kind} {names[said.actor]}>{names[said.recipient]}"
        for said in await ground.told(*concerned)
    ]


async def listed(ground: GraphGround, me: UserId, names: Names) -> list[UserId]:
    page = await ground.store.page(me, names, None, 100)
    assert page.next is UNSET
    return [item.user for item in page.items]


async def test_somebody_public_is_followed_at_once(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    relation = await do(ground, ada, "follow", ben)
    assert relation == Relation(ben, "following", "none", False, False, False, False)
    assert await ground.store.relation(ada, ben) == relation
    assert await ground.store.relation(ben, ada) == Relation(ada, "none", "following", False, False, False, False)
    assert await listed(ground, ada, "following") == [ben]
    assert await listed(ground, ben, "followers") == [ada]
    assert await told(ground, ada, ben) == ["follow 0>1"]


async def test_an_activity_tells_when_it_was(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await do(ground, ada, "follow", ben)
    [activity] = await ground.told(ada, ben)
    assert EPOCH < activity.at <= time.time() * 1_000 + 1_000
    assert (activity.target, activity.deed, activity.text) == ("", "", "")


async def test_somebody_private_has_to_say_yes(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    assert await ground.store.set_private(ben, True) == ()
    assert (await do(ground, ada, "follow", ben)).state == "requested"
    assert await listed(ground, ben, "requests") == [ada]
    assert await listed(ground, ada, "following") == await listed(ground, ben, "followers") == []
    accepted = await do(ground, ben, "accept", ada)
    assert (accepted.state, accepted.reverse) == ("none", "following")
    assert await listed(ground, ben, "requests") == []
    assert await listed(ground, ben, "followers") == [ada]
    assert await told(ground, ada, ben) == [
        "follow_request 0>1",
        "un follow_request 0>1",
        "follow 0>1",
        "follow_accepted 1>0",
    ]


async def test_a_request_is_withdrawn_or_declined(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.store.set_private(ben, True)
    await do(ground, ada, "follow", ben)
    assert (await do(ground, ada, "unfollow", ben)).state == "none"
    await do(ground, ada, "follow", ben)
    assert (await do(ground, ben, "decline", ada)).reverse == "none"
    assert await told(ground, ada, ben) == ["follow_request 0>1", "un follow_request 0>1"] * 2
    assert await ground.store.change(ben, ada, "accept") == "no request"


async def test_who_unfollows_takes_back_what_was_told_of_it(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await do(ground, ada, "follow", ben)
    await do(ground, ada, "unfollow", ben)
    await ground.store.set_private(ben, True)
    await do(ground, ada, "follow", ben)
    await do(ground, ben, "accept", ada)
    await do(ground, ada, "unfollow", ben)
    assert (await told(ground, ada, ben))[:2] == ["follow 0>1", "un follow 0>1"]
    assert (await told(ground, ada, ben))[-2:] == ["un follow 0>1", "un follow_accepted 1>0"]


async def test_a_follower_is_removed_and_a_request_is_not(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await do(ground, ada, "follow", ben)
    assert (await do(ground, ben, "remove", ada)).reverse == "none"
    assert (await told(ground, ada, ben))[1:] == ["un follow 0>1"]
    await ground.store.set_private(ben, True)
    await do(ground, ada, "follow", ben)
    assert (await do(ground, ben, "remove", ada)).reverse == "requested"


async def test_declining_who_follows_already_changes_nothing(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await do(ground, ada, "follow", ben)
    assert (await do(ground, ben, "decline", ada)).reverse == "following"


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_repeat_changes_and_tells_nothing(ground: GraphGround, ada: UserId, ben: UserId, deed: Deed) -> None:
    await do(ground, ben, "follow", ada)
    await ground.store.set_private(ben, True)
    first = await ground.store.change(ben, ada, deed)
    after = await ground.told(ada, ben)
    pages = [await ground.store.page(ben, names, None, 10) for names in get_args(Names)]
    assert await ground.store.change(ben, ada, deed) == first
    assert await ground.told(ada, ben) == after
    assert [await ground.store.page(ben, names, None, 10) for names in get_args(Names)] == pages


async def test_a_repeated_accept_succeeds(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.store.set_private(ben, True)
    await do(ground, ada, "follow", ben)
    assert await do(ground, ben, "accept", ada) == await do(ground, ben, "accept", ada)
    assert len(await ground.told(ada, ben)) == 4


@pytest.mark.parametrize("kind", DECISIONS)
async def test_what_i_decide_is_mine_alone(ground: GraphGround, ada: UserId, ben: UserId, kind: Kind) -> None:
    set, end, shown = DECISIONS[kind]
    assert getattr(await do(ground, ada, set, ben), shown)
    assert await listed(ground, ada, kind) == [ben]
    assert await listed(ground, ben, kind) == []
    mine, theirs = await ground.store.relation(ada, ben), await ground.store.relation(ben, ada)
    assert mine
    assert getattr(mine, shown)
    assert theirs == (None if kind == "block" else Relation(ada, "none", "none", False, False, False, False))
    assert not getattr(await do(ground, ada, end, ben), shown)
    assert await listed(ground, ada, kind) == []
    assert await ground.told(ada, ben) == []


async def test_blocking_ends_what_two_have_with_each_other(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.store.set_private(ben, True)
    await do(ground, ada, "follow", ben)
    await do(ground, ben, "accept", ada)
    await ground.store.set_private(ada, True)
    await do(ground, ben, "follow", ada)
    for one, other in ((ada, ben), (ben, ada)):
        await do(ground, one, "befriend", other)
        await do(ground, one, "mute", other)
    before = await told(ground, ada, ben)
    assert await do(ground, ben, "block", ada) == Relation(ada, "none", "none", True, True, False, False)
    assert (await told(ground, ada, ben))[len(before) :] == [
        "un follow_request 1>0",
        "un follow 0>1",
        "un follow_accepted 1>0",
    ]
    for user in (ada, ben):
        for names in ("followers", "following", "requests", "close_friend"):
            assert await listed(ground, user, names) == []
    assert await listed(ground, ada, "mute") == []
    assert await do(ground, ben, "unblock", ada) == Relation(ada, "none", "none", False, True, False, False)
    assert await listed(ground, ada, "mute") == [ben]


@pytest.mark.parametrize("deed", DEEDS)
async def test_who_is_blocked_finds_nobody_there(ground: GraphGround, ada: UserId, ben: UserId, deed: Deed) -> None:
    await do(ground, ada, "block", ben)
    assert await ground.store.change(ben, ada, deed) == await ground.store.change(ben, NOBODY, deed) == "absent"
    assert await ground.store.relation(ben, ada) is await ground.store.relation(ben, NOBODY) is None
    assert await ground.store.relation(ada, ben) == Relation(ben, "none", "none", True, False, False, False)


@pytest.mark.parametrize("deed", ["follow", "befriend"])
async def test_who_blocks_does_not_follow_or_befriend(
    ground: GraphGround, ada: UserId, ben: UserId, deed: Deed
) -> None:
    await do(ground, ada, "block", ben)
    assert await ground.store.change(ada, ben, deed) == "blocked"


async def test_a_profile_is_not_there_for_who_is_blocked(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    seen = await ground.store.profile(ben, ada)
    assert seen is not None
    assert seen == Profile(ada, seen.username, "Ada L.")
    assert await ground.store.profile_named(ben, seen.username.upper()) == seen
    assert await ground.store.profile(ada, ada) == seen
    assert await ground.store.profile(ben, NOBODY) is await ground.store.profile_named(ben, "nobody") is None
    await do(ground, ada, "block", ben)
    assert await ground.store.profile(ben, ada) is await ground.store.profile_named(ben, seen.username) is None
    assert await ground.store.profile(ada, ben) is not None
    await do(ground, ada, "unblock", ben)
    assert await ground.store.profile(ben, ada) == seen


async def numbers_of(ground: GraphGround, viewer: UserId, user: UserId) -> tuple[int, int]:
    profile = await ground.store.profile(viewer, user)
    assert profile is not None
    return profile.followers, profile.following


async def test_a_profile_counts_who_follows_and_no_request(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    await ground.store.set_private(cyd, True)
    for them in (ben, cyd):
        await do(ground, ada, "follow", them)
    await do(ground, ada, "follow", ben)
    await do(ground, ben, "follow", ada)
    assert [await numbers_of(ground, ben, user) for user in (ada, ben, cyd)] == [(1, 1), (1, 1), (0, 0)]
    await do(ground, cyd, "accept", ada)
    assert [await numbers_of(ground, ben, user) for user in (ada, cyd)] == [(1, 2), (1, 0)]
    await do(ground, ada, "block", ben)
    await do(ground, cyd, "remove", ada)
    assert [await numbers_of(ground, cyd, user) for user in (ada, ben, cyd)] == [(0, 0), (0, 0), (0, 0)]


async def test_all_who_wait_are_counted_when_somebody_is_private_no_more(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    await ground.store.set_private(ada, True)
    for one in (ben, cyd):
        await do(ground, one, "follow", ada)
    await ground.store.set_private(ada, False)
    assert await numbers_of(ground, ben, ada) == (2, 0)
    assert await numbers_of(ground, ben, cyd) == (0, 1)


async def of(ground: GraphGround, viewer: UserId, user: UserId, names: Others) -> list[UserId] | None:
    page = await ground.store.others(viewer, user, names, None, 100)
    return None if page is None else [item.user for item in page.items]


async def test_lists_of_somebody_leave_out_those_who_are_blocked_either_way(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    dan = await person(ground)
    for one in (ben, cyd, dan):
        await do(ground, one, "follow", ada)
    assert await of(ground, ben, ada, "followers") == [dan, cyd, ben]
    assert await of(ground, ada, ben, "following") == [ada]
    await do(ground, ben, "block", cyd)
    await do(ground, dan, "block", ben)
    assert await of(ground, ben, ada, "followers") == [ben]
    assert await of(ground, ada, ada, "followers") == [dan, cyd, ben]
    assert await of(ground, ben, dan, "following") is await of(ground, ben, NOBODY, "followers") is None


async def test_lists_of_somebody_private_are_for_who_follows_them(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    await do(ground, ben, "follow", ada)
    await ground.store.set_private(ada, True)
    await do(ground, cyd, "follow", ada)
    assert await of(ground, ben, ada, "followers") == await of(ground, ada, ada, "followers") == [ben]
    assert await of(ground, cyd, ada, "followers") is await of(ground, cyd, ada, "following") is None


async def test_a_list_of_somebody_goes_on_where_a_page_ends(ground: GraphGround, ada: UserId) -> None:
    fans = [await person(ground) for _ in range(5)]
    for fan in fans:
        await do(ground, fan, "follow", ada)
    found, before = list[UserId](), None
    while True:
        page = await ground.store.others(fans[0], ada, "followers", before, 2)
        assert page is not None
        found += [item.user for item in page.items]
        if page.next is UNSET:
            break
        before = page.next
    assert found == fans[::-1]


async def test_whom_most_of_mine_follow_is_suggested_first(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    dan, eve, fay = [await person(ground) for _ in range(3)]
    for one, other in ((ada, ben), (ada, cyd), (ben, dan), (ben, eve), (cyd, eve), (cyd, ben), (ben, ada), (cyd, fay)):
        await do(ground, one, "follow", other)
    first, *others = [(s.user, s.common) for s in await ground.store.suggestions(ada, 10)]
    assert first == (eve, 2)
    assert sorted(others) == sorted([(fay, 1), (dan, 1)])
    assert set((await ground.store.suggestions(ada, 1))[0].by) == {ben, cyd}
    await do(ground, eve, "block", ada)
    await do(ground, ada, "mute", dan)
    assert [s.user for s in await ground.store.suggestions(ada, 10)] == [fay]
    await ground.store.set_private(fay, True)
    await do(ground, ada, "follow", fay)
    assert await ground.store.suggestions(ada, 10) == []


async def test_a_profile_tells_who_has_to_be_asked(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.store.set_private(ada, True)
    for viewer in (ada, ben):
        profile = await ground.store.profile(viewer, ada)
        assert profile is not None
        assert profile.private
    account = await ground.people.account(ada)
    assert account is not None
    assert account.private


async def test_who_is_no_more_private_accepts_all_that_wait(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    eve = await person(ground)
    await ground.store.set_private(ada, True)
    await do(ground, ben, "follow", ada)
    await do(ground, eve, "follow", ada)
    assert sorted(await ground.store.set_private(ada, False)) == sorted([ben, eve])
    assert sorted(await listed(ground, ada, "followers")) == sorted([ben, eve])
    assert await listed(ground, ada, "requests") == []
    accepted = ["un follow_request 1>0", "follow 1>0", "follow_accepted 0>1"]
    assert (await told(ground, ada, ben))[1:] == (await told(ground, ada, eve))[1:] == accepted
    assert await ground.store.set_private(ada, False) == ()
    assert len(await ground.told(ada, ben, eve)) == 8


async def test_more_requests_than_fit_are_accepted_call_by_call(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.store.set_private(ada, True)
    many = [UserId(str(int(ada) + n)) for n in range(1, ACCEPTED_AT_ONCE + 2)]
    await ground.request_many(many, ada)
    first = await ground.store.set_private(ada, False)
    assert len(first) == ACCEPTED_AT_ONCE
    assert (await do(ground, ben, "follow", ada)).state == "following"
    [last] = await ground.store.set_private(ada, False)
    assert sorted([*first, last]) == sorted(many)
    assert await listed(ground, ada, "requests") == []
    assert len(await ground.told(ada, *many)) == 3 * len(many)


async def test_who_waits_for_somebody_public_is_let_in_by_following_again(
    ground: GraphGround, ada: UserId, ben: UserId
) -> None:
    await ground.request_many([ben], ada)
    assert (await do(ground, ben, "follow", ada)).state == "following"
    assert await told(ground, ada, ben) == ["un follow_request 1>0", "follow 1>0"]


async def test_nobody_follows_more_people_than_there_may_be(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await ground.follow_many(ada, range(1, LIMITS["following"]))
    await do(ground, ada, "follow", ben)
    eve = await person(ground)
    assert await ground.store.change(ada, eve, "follow") == "full"
    assert (await do(ground, ada, "follow", ben)).state == "following"
    assert await ground.told(ada, eve) == []
    await do(ground, ada, "unfollow", ben)
    await do(ground, ada, "follow", eve)


@pytest.mark.parametrize("kind", DECISIONS)
async def test_nobody_has_longer_lists_than_there_may_be(
    ground: GraphGround, ada: UserId, ben: UserId, kind: Kind
) -> None:
    await ground.relate_many(ada, kind, range(1, LIMITS[kind]))
    await do(ground, ada, DECISIONS[kind][0], ben)
    assert await ground.store.change(ada, await person(ground), DECISIONS[kind][0]) == "full"


async def test_lists_come_in_pages_the_newest_first(ground: GraphGround, ada: UserId) -> None:
    followers = [await person(ground) for _ in range(7)]
    for follower in followers:
        await do(ground, follower, "follow", ada)
    got, before = [], None
    while True:
        page = await ground.store.page(ada, "followers", before, 3)
        assert 0 < len(page.items) <= 3
        got += page.items
        if page.next is UNSET:
            break
        before = page.next
    assert [item.user for item in got] == followers[::-1]
    assert [item.at for item in got] == sorted((item.at for item in got), reverse=True)


async def test_a_list_names_people(ground: GraphGround, ada: UserId, ben: UserId) -> None:
    await do(ground, ben, "mute", ada)
    [item] = (await ground.store.page(ben, "mute", None, 1)).items
    account = await ground.people.account(ada)
    assert account is not None
    assert (item.user, item.username, item.name) == (ada, account.username, "Ada L.")


@pytest.mark.parametrize("cursor", ["", "1", "1-", "a-1", "1-99999999999999999999", "9" * 60])
async def test_what_is_no_cursor_is_a_value_error(ground: GraphGround, ada: UserId, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await ground.store.page(ada, "followers", cursor, 3)


@pytest.mark.parametrize("deed", ["block", "unblock"])
async def test_blocking_and_unblocking_void_what_the_conversation_is_about_to_commit(
    ground: GraphGround, ada: UserId, ben: UserId, deed: Deed
) -> None:
    id = await opened(ground.conversations, ada, ben)
    if deed == "unblock":
        await do(ground, ada, "block", ben)
    at = await ground.conversations.activate(id, [ada], [], None)
    assert at is not None
    await do(ground, ada, "mute", ben)
    assert await ground.conversations.commit([unit(at, said(id, 1, ben))], wait=True) == ["committed"]
    await do(ground, ada, deed, ben)
    late = msgspec.structs.replace(unit(at, said(id, 2, ben)), last_c=1)
    assert await ground.conversations.commit([late], wait=True) == ["lost"]
    again = await ground.conversations.activate(id, [ada], [], None)
    assert again is not None
    await do(ground, ada, deed, ben)
    assert await ground.conversations.commit([unit(again, said(id, 2, ben))], wait=True) == ["committed"]


async def test_a_fence_is_raised_in_every_conversation_that_both_are_in_and_in_no_other(
    ground: GraphGround, ada: UserId, ben: UserId, cyd: UserId
) -> None:
    shared = await opened(ground.conversations, ada, ben)
    created = await ground.conversations.create(ada, "c" * 22, [ben, cyd], None, 0, True)
    assert created
    apart = await opened(ground.conversations, ada, cyd)
    before = {id: await ground.conversations.activate(id, [ada], [], None) for id in (shared, apart)}
    fenced = await ground.store.fence(ada, ben)
    assert sorted(fenced) == sorted([shared, created.event.conversation])
    for id, outcome in ((shared, "lost"), (apart, "committed")):
        at = before[id]
        assert at is not None
        assert await ground.conversations.commit([unit(at, said(id, 1, ada))], wait=True) == [outcome]
