"""The promise of docs/reliability.md from outside: whatever dies in the middle, what was acked is there once."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.running import Installation
from tidings_client import Client, Message

FEW, MANY = 2_000, 10_000
CUT_EVERY = 50
PIPELINE = 64
FAST = {"GATEWAY__REQUESTS_PER_S": 100_000, "GATEWAY__BURST": 100_000}


class Talker:
    """One side: sends `count` numbered texts and notes what arrives, whoever said it."""

    def __init__(self, installation: Installation, token: str, name: str, count: int) -> None:
        self.client = Client(
            installation.url, token=token, device=name, pipeline=PIPELINE, random=lambda: 0.05, queue=1_000
        )
        self.name = name
        self.count = count
        self.acked: dict[str, int] = {}
        self.heard: list[tuple[int, str]] = []
        self.half = asyncio.Event()

    async def talk(self, conversation: str) -> None:
        gate = asyncio.Semaphore(PIPELINE)

        async def say(number: int) -> None:
            text = f"{self.name} {number}"
            sent = await self.client.send(conversation, text)
            self.acked[text] = sent.c
            if len(self.acked) >= self.count // 2:
                self.half.set()
            gate.release()

        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                await gate.acquire()
                group.create_task(say(number))

    async def listen(self, *, cut: bool) -> None:
        """Until both sides' messages have come; with `cut`, the connection is torn after every fifty."""
        async for event in self.client.events():
            if isinstance(event, Message):
                assert event.text is not None
                self.heard.append((event.c, event.text))
                if len(self.heard) == 2 * self.count:
                    return
                if cut and len(self.heard) % CUT_EVERY == 0:
                    self.client.cut()


async def _converse(installation: Installation, count: int, break_it: Callable[[], None]) -> None:
    ada, ben = installation.mint(2, "promise")
    a, b = (Talker(installation, one["access_token"], name, count) for one, name in ((ada, "ada"), (ben, "ben")))
    async with a.client, b.client:
        conversation = (await a.client.open(ben["user"])).id
        async with asyncio.TaskGroup() as group:
            for talker in (a, b):
                group.create_task(talker.talk(conversation))
                group.create_task(talker.listen(cut=talker is b))
            await a.half.wait()
            await asyncio.to_thread(break_it)
    for talker in (a, b):
        assert len(talker.acked) == count
        assert [c for c, _ in talker.heard] == list(range(1, 2 * count + 1))
        places = {text: c for c, text in talker.heard}
        assert places == a.acked | b.acked
        own = [places[f"{talker.name} {number}"] for number in range(count)]
        assert own == sorted(own)


@pytest.mark.parametrize(
    ("what", "count"),
    [
        ("node", FEW),
        pytest.param("node", MANY, marks=pytest.mark.verify),
        pytest.param("postgres", MANY, marks=pytest.mark.verify),
    ],
)
async def test_every_acked_message_is_there_once_and_in_order_on_both_sides_when_it_is_killed_in_the_middle(
    tmp_path: Path, what: str, count: int
) -> None:
    installation = Installation(tmp_path, FAST).start()
    kill = installation.kill_node if what == "node" else installation.kill_postgres
    try:
        async with asyncio.timeout(120):
            await _converse(installation, count, kill)
    finally:
        installation.stop()
