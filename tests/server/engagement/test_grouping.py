"""Whoever comes while something runs goes together when it is done."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from persistence.faults import UnavailableError
from server.engagement.grouping import AT_ONCE, MOST, Grouping


class Store:
    """Doubles numbers, a group at a time, when it is let."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.may = asyncio.Event()
        self.may.set()
        self.fault: Exception | None = None

    async def carry_out(self, asked: Sequence[int]) -> list[int]:
        self.groups.append(list(asked))
        self.begun.set()
        await self.may.wait()
        if self.fault:
            raise self.fault
        return [2 * number for number in asked]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def grouping(store: Store) -> AsyncIterator[Grouping[int, int]]:
    grouping = Grouping(store.carry_out)
    running = asyncio.create_task(grouping.run())
    yield grouping
    running.cancel()


async def test_who_comes_alone_goes_alone_and_who_comes_meanwhile_goes_together(
    store: Store, grouping: Grouping[int, int]
) -> None:
    store.may.clear()
    first = asyncio.create_task(grouping.ask(1))
    await store.begun.wait()
    others = [asyncio.create_task(grouping.ask(number)) for number in range(2, 2 + AT_ONCE + 1)]
    await asyncio.sleep(0)
    store.may.set()
    assert await first == 2
    assert await asyncio.gather(*others) == [2 * number for number in range(2, 2 + AT_ONCE + 1)]
    assert [len(group) for group in store.groups] == [1, AT_ONCE, 1]


async def test_a_fault_is_everybodys_of_the_group_and_the_next_goes_on(
    store: Store, grouping: Grouping[int, int]
) -> None:
    store.fault = UnavailableError("away")
    results = await asyncio.gather(grouping.ask(1), grouping.ask(2), return_exceptions=True)
    assert [type(result) for result in results] == [UnavailableError] * 2
    store.fault = None
    assert await grouping.ask(3) == 6


async def test_who_has_gone_meanwhile_does_not_harm_the_others(store: Store, grouping: Grouping[int, int]) -> None:
    store.may.clear()
    gone, stays = asyncio.create_task(grouping.ask(1)), asyncio.create_task(grouping.ask(2))
    await store.begun.wait()
    gone.cancel()
    await asyncio.sleep(0)
    store.may.set()
    assert await stays == 4


async def test_too_many_are_told_to_come_back(store: Store) -> None:
    idle = Grouping(store.carry_out)
    waiting = [asyncio.create_task(idle.ask(number)) for number in range(MOST)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await idle.ask(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_whoever_waits_when_the_node_ends_is_not_left_waiting(store: Store) -> None:
    grouping = Grouping(store.carry_out)
    store.may.clear()
    running = asyncio.create_task(grouping.run())
    asked = [asyncio.create_task(grouping.ask(1))]
    await store.begun.wait()
    asked.append(asyncio.create_task(grouping.ask(2)))
    await asyncio.sleep(0)
    running.cancel()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(result) for result in results] == [UnavailableError] * 2
