"""One side of a conversation that goes on whatever happens, and notes all that it says and hears."""

import asyncio

from tidings_client import Client, Message


class Talker:
    """Sends `count` numbered texts at `per_s` a second, or as fast as they are acknowledged when that is slower."""

    def __init__(self, url: str, token: str, name: str, count: int, per_s: float) -> None:
        self.client = Client(url, token=token, device=name, pipeline=256, random=lambda: 0.05, queue=1_000)
        self.name = name
        self.acked: dict[str, int] = {}
        self.heard: list[tuple[int, str]] = []
        self._count = count
        self._per_s = per_s

    async def talk(self, conversation: str) -> None:
        """Until all is acknowledged."""
        loop = asyncio.get_running_loop()
        began, gate = loop.time(), asyncio.Semaphore(256)

        async def say(number: int) -> None:
            text = f"{self.name} {number}"
            sent = await self.client.send(conversation, text)
            self.acked[text] = sent.c
            gate.release()

        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                await asyncio.sleep(max(0.0, began + number / self._per_s - loop.time()))
                await gate.acquire()
                group.create_task(say(number))

    async def listen(self, count: int) -> None:
        """Until so many messages have come, whoever said them."""
        async for event in self.client.events():
            if isinstance(event, Message):
                assert event.text is not None
                self.heard.append((event.c, event.text))
                if len(self.heard) == count:
                    return


def check(*talkers: Talker) -> None:
    """Everything acknowledged was heard by everybody, once, in order, and everybody's own words in theirs."""
    acked = {text: c for talker in talkers for text, c in talker.acked.items()}
    for talker in talkers:
        assert [c for c, _ in talker.heard] == list(range(1, len(acked) + 1))
        places = {text: c for c, text in talker.heard}
        assert places == acked
        for other in talkers:
            own = [c for text, c in places.items() if text.split()[0] == other.name]
            numbers = [int(text.split()[1]) for text in places if text.split()[0] == other.name]
            assert own == sorted(own)
            assert numbers == sorted(numbers)
