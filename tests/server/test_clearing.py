"""What clears away as long as a node runs."""

import asyncio

import pytest

from server import clearing
from server.clearing import Clearing


async def test_a_bug_in_one_part_ends_nothing_but_that_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    faults = [ZeroDivisionError()]

    async def clear() -> bool:
        if faults:
            raise faults.pop()
        looked.set()
        return False

    monkeypatch.setattr(clearing, "LOOK_S", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Clearing(clear, "what is deleted cannot be cleared").run())
        async with asyncio.timeout(5):
            await looked.wait()
        running.cancel()
