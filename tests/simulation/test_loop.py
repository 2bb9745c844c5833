"""The virtual-time loop: nothing but the waiting differs from a real one."""

import asyncio
from random import Random

import pytest

from tests.simulation.loop import Deadlock, Livelock, run


def test_a_year_passes_at_once() -> None:
    async def wait() -> float:
        await asyncio.sleep(365 * 86_400)
        return asyncio.get_running_loop().time()

    assert run(wait()) == 365 * 86_400


def test_timers_come_in_the_order_of_their_times() -> None:
    came: list[float] = []

    async def come(after: float) -> None:
        await asyncio.sleep(after)
        came.append(after)

    async def wait() -> None:
        async with asyncio.TaskGroup() as group:
            for after in (0.3, 0.1, 0.2):
                group.create_task(come(after))

    run(wait())
    assert came == [0.1, 0.2, 0.3]


def test_a_timeout_strikes_on_time() -> None:
    async def wait() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.sleep(3)
        return asyncio.get_running_loop().time()

    assert run(wait()) == 2


def test_waiting_for_nothing_is_an_error() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        run(wait())


def test_spinning_without_time_going_on_is_an_error() -> None:
    def spin() -> None:
        asyncio.get_running_loop().call_soon(spin)

    async def wait() -> None:
        spin()
        await asyncio.sleep(1)

    with pytest.raises(Livelock):
        run(wait())


def test_a_shuffled_loop_runs_the_same_seed_in_the_same_order() -> None:
    async def race() -> str:
        came: list[str] = []
        for name in "abcdefgh":
            asyncio.get_running_loop().call_soon(came.append, name)
        await asyncio.sleep(1)
        return "".join(came)

    orders = [run(race(), Random(seed)) for seed in (1, 1, 2, 3)]

    assert orders[0] == orders[1]
    assert len(set(orders)) > 1
    assert {"".join(sorted(order)) for order in orders} == {"abcdefgh"}
