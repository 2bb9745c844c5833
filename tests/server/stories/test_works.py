"""What runs for stories as long as a node does."""

import asyncio

import pytest

from server.stories import clearing
from server.stories.clearing import Clearing


async def test_a_bug_in_one_story_ends_nothing_but_that_look(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()
    faults = [ZeroDivisionError()]

    async def clear() -> bool:
        if faults:
            raise faults.pop()
        looked.set()
        return False

    monkeypatch.setattr(clearing, "LOOK_S", 0)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(Clearing(clear).run())
        async with asyncio.timeout(5):
            await looked.wait()
        running.cancel()
