"""What clears away goes on whatever one look fails of."""

import asyncio

import pytest

from server import clearing
from server.clearing import Clearing


async def test_a_bug_in_one_look_ends_nothing_but_that_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    faults = [ZeroDivisionError()]

    async def clear() -> bool:
        if faults:
            raise faults.pop()
        looked.set()
        return False

    monkeypatch.setattr(clearing, "LOOK_S", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Clearing(clear, "nothing is cleared away").run())
        async with asyncio.timeout(5):
            await looked.wait()
        running.cancel()
