"""An application that says something every 100 ms whatever happens, and notes when that was acknowledged and what it
heard of the other one: for what has to go on, or has to wait, while a part is missing."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from tests.server.running import Installation
from tests.until import until
from tidings_client import Client, Message, Offline, Typing

EVERY_S = 0.1
TYPES_WITHIN_S = 8.0
"""That somebody types is what a busy node lets go first, for seconds; what is asked is that it is seen at all."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message, and when it came."""

    c: int
    text: str
    at: float


class Pulse:
    """`said` and `acked` are the times of each text, `places` where it stands; times are monotonic seconds.

    `ends` counts lost connections, `typing` are the times at which the other one was seen to type.
    """

    def __init__(self, installation: Installation, person: dict[str, Any]) -> None:
        self.client = Client(
            installation.url, token=person["access_token"], pipeline=256, random=lambda: 0.05, queue=4_000
        )
        self.name: str = person["user"]
        self.said: dict[str, float] = {}
        self.acked: dict[str, float] = {}
        self.places: dict[str, int] = {}
        self.heard: list[Heard] = []
        self.typing: list[float] = []
        self.ends = 0

    async def talk(self, conversation: str, over: asyncio.Event) -> None:
        """Until it is over and all is acknowledged."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                await asyncio.sleep(max(0.0, began + number * EVERY_S - loop.time()))
                if over.is_set():
                    return
                group.create_task(self._say(conversation, f"{self.name} {number}"))

    async def _say(self, conversation: str, text: str) -> None:
        self.said[text] = monotonic()
        self.places[text] = (await self.client.send(conversation, text)).c
        self.acked[text] = monotonic()

    async def listen(self) -> None:
        """Until cancelled."""
        async for event in self.client.events():
            match event:
                case Message(text=str(text)):
                    self.heard.append(Heard(event.c, text, monotonic()))
                case Typing():
                    self.typing.append(monotonic())
                case Offline():
                    self.ends += 1

    def others(self) -> list[Heard]:
        """What the other one said."""
        return [heard for heard in self.heard if not heard.text.startswith(f"{self.name} ")]


class Pair:
    """Two of them, `one` and `other`, in `conversation`; `aside` is another conversation, a group in which nobody
    speaks."""

    def __init__(
        self,
        one: Pulse,
        other: Pulse,
        conversation: str,
        aside: str,
        over: asyncio.Event,
        talks: list[asyncio.Task[None]],
    ) -> None:
        self.both = self.one, self.other = one, other
        self.conversation = conversation
        self.aside = aside
        self._over = over
        self._talks = talks

    def acked_gap(self, since: float) -> float:
        """The longest time without an acknowledgement."""
        return max(_gap(pulse.acked.values(), since) for pulse in self.both if pulse.said)

    def heard_gap(self, since: float) -> float:
        """The longest time without a word of one who talks at the other one's."""
        pairs = (self.both, self.both[::-1])
        return max(_gap((heard.at for heard in there.others()), since) for here, there in pairs if here.said)

    async def types(self) -> None:
        """Each sees the other type. One that is not seen is no fault: live events may be dropped."""
        seen = [len(pulse.typing) for pulse in self.both]
        async with asyncio.timeout(TYPES_WITHIN_S):
            while not all(len(pulse.typing) > count for pulse, count in zip(self.both, seen, strict=True)):
                for pulse in self.both:
                    await pulse.client.typing(self.aside)
                await asyncio.sleep(EVERY_S)

    def healed_at(self, since: float) -> float | None:
        """When of what each said after that moment something had been acknowledged and heard; None: not yet."""
        times = []
        for pulse, other in (self.both, self.both[::-1]):
            times.append(min((at for text, at in pulse.acked.items() if pulse.said[text] > since), default=None))
            heard = (heard.at for heard in pulse.others() if other.said[heard.text] > since)
            times.append(min(heard, default=None))
        found = [at for at in times if at is not None]
        return max(found) if len(found) == len(times) else None

    async def finish(self) -> None:
        """Say no more; return when all that was said is acknowledged and heard."""
        self._over.set()
        # What was begun when it was over may not have been said by then.
        async with asyncio.timeout(30):
            await asyncio.wait(self._talks)
        said = sum(len(pulse.said) for pulse in self.both)
        await until(lambda: all(len(pulse.heard) >= said for pulse in self.both), 30)

    def check(self) -> None:
        """All is there once, in order, at the place that was acknowledged, and the same for both."""
        places = self.one.places | self.other.places
        for pulse in self.both:
            heard = [heard.c for heard in pulse.heard]
            assert heard == list(range(1, len(places) + 1)), f"{pulse.name} heard {heard}, said were {len(places)}"
            assert {heard.text: heard.c for heard in pulse.heard} == places
            assert [heard.text for heard in pulse.heard if heard.text in pulse.said] == list(pulse.said)


@asynccontextmanager
async def talking(
    installation: Installation, people: list[dict[str, Any]], *, both_ways: bool = True
) -> AsyncIterator[Pair]:
    """Both talk, or the first alone, from the beginning of the context until `finish`."""
    one, other = (Pulse(installation, person) for person in people)
    over = asyncio.Event()
    async with one.client, other.client:
        conversation = (await one.client.open(other.name)).id
        aside = (await one.client.create([other.name], "aside")).id
        # Who has not accepted is not seen to type.
        for requested in (conversation, aside):
            await other.client.accept(requested)
        async with asyncio.TaskGroup() as group:
            listening = [group.create_task(pulse.listen()) for pulse in (one, other)]
            talkers = (one, other) if both_ways else (one,)
            talks = [group.create_task(pulse.talk(conversation, over)) for pulse in talkers]
            yield Pair(one, other, conversation, aside, over, talks)
            over.set()
            for task in listening:
                task.cancel()


def _gap(times: Iterable[float], since: float) -> float:
    """The longest time without any from `since` on."""
    return max(later - earlier for earlier, later in itertools.pairwise([since, *(at for at in times if at > since)]))
