"""Revocations reach this node: by polling, at once when made here, and late when the store was away."""

import asyncio
from collections.abc import Collection

import pytest

from persistence.faults import UnavailableError
from persistence.people.memory import MemoryPeople
from protocol.ids import LoginId
from server.revocations import POLL_S, SLACK_MS, Revocations

LIFE_S = 900
KEPT_S = LIFE_S + SLACK_MS / 1_000
PHONE, TABLET = LoginId("1"), LoginId("2")


class Store(MemoryPeople):
    """Tells what it is told to tell, and remembers how far back it was asked."""

    def __init__(self, revoked: Collection[LoginId] = ()) -> None:
        self.revoked = frozenset(revoked)
        self.away = False
        self.asked: list[int] = []

    async def revoked_since(self, ago_ms: int) -> frozenset[LoginId]:
        self.asked.append(ago_ms)
        if self.away:
            raise UnavailableError("away")
        return self.revoked


class Rig:
    def __init__(self, store: Store) -> None:
        self.now = 100.0
        self.ended: list[LoginId] = []
        self.store = store
        self.revocations = Revocations(store, self.ended.append, LIFE_S, lambda: self.now)


async def test_a_poll_ends_what_was_revoked_elsewhere_once() -> None:
    rig = Rig(Store([PHONE]))
    await rig.revocations.poll()
    await rig.revocations.poll()
    assert rig.ended == [PHONE]
    assert rig.revocations.is_revoked(PHONE)
    assert not rig.revocations.is_revoked(TABLET)


async def test_a_login_revoked_here_ends_at_once_and_once() -> None:
    rig = Rig(Store())
    rig.revocations.apply(PHONE)
    assert rig.ended == [PHONE]
    rig.store.revoked = frozenset([PHONE])
    await rig.revocations.poll()
    assert rig.ended == [PHONE]


async def test_each_poll_goes_back_a_tokens_life_and_further_to_the_last_answer() -> None:
    rig = Rig(Store())
    await rig.revocations.poll()
    rig.now += POLL_S
    await rig.revocations.poll()
    rig.store.away = True
    rig.now += 30
    with pytest.raises(UnavailableError):
        await rig.revocations.poll()
    rig.store.away = False
    rig.now += 30
    await rig.revocations.poll()
    kept_ms = int(KEPT_S * 1_000)
    assert rig.store.asked == [kept_ms, kept_ms + 500, kept_ms + 30_000, kept_ms + 60_000]


async def test_a_revocation_is_kept_for_a_tokens_life() -> None:
    rig = Rig(Store([PHONE]))
    await rig.revocations.poll()
    rig.store.revoked = frozenset()
    rig.now += KEPT_S - 1
    await rig.revocations.poll()
    assert rig.revocations.is_revoked(PHONE)
    rig.now += 1
    await rig.revocations.poll()
    assert not rig.revocations.is_revoked(PHONE)


async def test_what_the_store_still_tells_is_not_forgotten_and_not_ended_again() -> None:
    rig = Rig(Store([PHONE]))
    await rig.revocations.poll()
    rig.now += KEPT_S + 10
    await rig.revocations.poll()
    assert rig.revocations.is_revoked(PHONE)
    assert rig.ended == [PHONE]


async def test_it_polls_for_ever_while_the_store_comes_and_goes() -> None:
    store = Store()
    polled: asyncio.Queue[float] = asyncio.Queue()
    go_on: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        await polled.put(seconds)
        await go_on.get()

    ended: list[LoginId] = []
    revocations = Revocations(store, ended.append, LIFE_S, lambda: 0.0, sleep)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(revocations.run())
        assert await polled.get() == POLL_S
        for away in (True, True, False):
            store.away, store.revoked = away, frozenset([PHONE])
            go_on.put_nowait(None)
            await polled.get()
            assert revocations.is_revoked(PHONE) is not away
        task.cancel()
    assert ended == [PHONE]
    assert len(store.asked) == 4
