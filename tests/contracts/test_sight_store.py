"""Who may see whether somebody is here: the contract, on Postgres and in memory."""

from collections.abc import AsyncIterator

import pytest

from persistence.pool import open_pool
from persistence.presence.contract import Looking, Sight
from protocol.ids import ConversationId, UserId
from tests.contracts.grounds import Users
from tests.contracts.presence_grounds import MemorySightGround, PostgresSightGround, SightGround

SEEN, NOT_SEEN = Sight(True, False), Sight(False, False)


@pytest.fixture
async def sights(url: str | None) -> AsyncIterator[SightGround]:
    if url is None:
        yield MemorySightGround()
        return
    async with open_pool(url, 2) as pool:
        yield PostgresSightGround(pool)


async def mutual(sights: SightGround, a: UserId, b: UserId, shown: ConversationId | None = None) -> Sight:
    """What both may see of each other, which is the same."""
    found = await sights.store.sights([Looking(a, {b: shown}), Looking(b, {a: shown})])
    assert found[a][b] == found[b][a]
    return found[a][b]


def talk_of(user: UserId) -> ConversationId:
    return ConversationId(str(int(user) + (1 << 20)))


async def test_strangers_and_who_does_not_exist_are_not_seen(sights: SightGround, users: Users) -> None:
    a, b = users.pair()
    await sights.account(a)
    assert await mutual(sights, a, b) == NOT_SEEN
    assert await sights.store.is_visible(b)


async def test_a_common_conversation_that_both_accepted_lets_them_see_each_other(
    sights: SightGround, users: Users
) -> None:
    a, b = users.pair()
    await sights.talk(talk_of(a), a, b)
    assert await mutual(sights, a, b) == SEEN


async def test_before_one_accepts_and_after_one_has_left_nobody_sees(sights: SightGround, users: Users) -> None:
    a, b = users.pair()
    c, d = users.pair()
    await sights.talk(talk_of(a), a, b)
    await sights.leave(talk_of(a), b, folder="requests")
    assert await mutual(sights, a, b, talk_of(a)) == NOT_SEEN
    await sights.talk(talk_of(c), c, d)
    await sights.leave(talk_of(c), c)
    assert await mutual(sights, c, d, talk_of(c)) == NOT_SEEN


async def test_only_a_mutual_follow_counts(sights: SightGround, users: Users) -> None:
    a, b = users.pair()
    await sights.follow(a, b)
    assert await mutual(sights, a, b) == NOT_SEEN
    await sights.follow(b, a)
    assert await mutual(sights, a, b) == SEEN


async def test_a_block_in_either_direction_hides_both(sights: SightGround, users: Users) -> None:
    a, b = users.pair()
    await sights.talk(talk_of(a), a, b)
    await sights.follow(a, b)
    await sights.follow(b, a)
    await sights.block(b, a)
    assert await mutual(sights, a, b, talk_of(a)) == NOT_SEEN
    assert (b, a) in await sights.store.changed(60_000)


async def test_who_hides_is_seen_by_nobody_and_sees_nobody_until_they_show_themselves(
    sights: SightGround, users: Users
) -> None:
    a, b = users.pair()
    await sights.account(a)
    await sights.talk(talk_of(a), a, b)
    await sights.store.set_visible(a, False)
    assert not await sights.store.is_visible(a)
    assert await mutual(sights, a, b) == NOT_SEEN
    assert (a, None) in await sights.store.changed(60_000)
    await sights.store.set_visible(a, True)
    assert await mutual(sights, a, b) == SEEN


async def test_what_somebody_looks_at_is_told_within_that_conversation_alone(sights: SightGround, users: Users) -> None:
    a, b = users.pair()
    await sights.talk(talk_of(a), a, b)
    await sights.talk(talk_of(b), b)
    assert await mutual(sights, a, b, talk_of(a)) == Sight(True, True)
    assert await mutual(sights, a, b, talk_of(b)) == SEEN


async def test_many_are_asked_about_at_once(sights: SightGround, users: Users) -> None:
    hub, others = users.draw(), [users.draw() for _ in range(1_200)]
    await sights.talk(talk_of(hub), hub, *others[::2])
    found = await sights.store.sights([Looking(hub, dict.fromkeys(others)), Looking(others[0], {hub: None})])
    assert [other for other, sight in found[hub].items() if sight.seen] == others[::2]
    assert found[others[0]] == {hub: SEEN}
