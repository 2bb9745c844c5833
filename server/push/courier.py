"""The courier: from jobs that are due to devices, together with the couriers of all other nodes.

push_job ─ expand ─► push_delivery, one per device ─ a Sender for each provider ─► device
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from random import Random

from persistence.faults import UnavailableError
from persistence.push.contract import PushStore
from server.outage import Outage
from server.push.figures import Figures
from server.push.provider import Provider
from server.push.sender import POLL_S, Sender
from server.push.wishes import Wishes

BATCH = 200
"""Jobs that one statement expands, or clears, and deliveries of a provider that one looks through for expired ones."""
LOOK_S = 10.0
"""Between two looks at what waits; at each, what has expired is ended, and what is long over is cleared."""
CLEARINGS = 20
"""Batches of each at one look."""


class Courier:
    """`poke` hastens what has become due; without it a look every half second finds it."""

    def __init__(
        self,
        store: PushStore,
        providers: Sequence[Provider],
        monotonic: Callable[[], float],
        random: Random,
        wishes: Wishes,
    ) -> None:
        self.figures = Figures()
        self._store = store
        self._senders = [Sender(provider, store, self.figures, monotonic, random, wishes) for provider in providers]
        self._poked = asyncio.Event()
        self._draining = False
        self._expanding = Outage("pushes cannot be read", work="expand")
        self._looking = Outage("pushes cannot be read", work="look")
        self.figures.open_breakers = lambda: sum(
            breaker.is_open for sender in self._senders for breaker in sender.breakers
        )

    def poke(self) -> None:
        """A job was written that is due."""
        self._poked.set()

    def drain(self) -> None:
        """Begin nothing more; `run` ends when what is under way has been settled."""
        self._draining = True
        self._poked.set()
        for sender in self._senders:
            sender.drain()

    async def run(self) -> None:
        """Bring pushes to devices until drained or cancelled."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look())
            senders = [group.create_task(sender.run()) for sender in self._senders]
            await self._expand()
            if senders:
                await asyncio.wait(senders)
            looking.cancel()

    async def _expand(self) -> None:
        while not self._draining:
            if await self._reached(self._expanding, self._expand_once):
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._poked.wait()
            self._poked.clear()

    async def _expand_once(self) -> bool:
        """Whether there may be more at once."""
        outcomes = await self._store.expand(BATCH)
        for outcome, count in outcomes.items():
            self.figures.outcomes["job", outcome] += count
        if outcomes.get("expanded"):
            for sender in self._senders:
                sender.poke()
        return sum(outcomes.values()) >= BATCH

    async def _look(self) -> None:
        while True:
            await self._reached(self._looking, self._look_once)
            await asyncio.sleep(LOOK_S)

    async def _look_once(self) -> bool:
        self.figures.waiting = await self._store.waiting()
        for _ in itertools.repeat(None, CLEARINGS):
            if not (expired := await self._store.expire(BATCH)):
                break
            for provider, count in expired.items():
                self.figures.outcomes[provider, "expired"] += count
        for _ in itertools.repeat(None, CLEARINGS):
            if await self._store.clear(BATCH) < BATCH:
                break
        return True

    async def _reached(self, outage: Outage, once: Callable[[], Awaitable[bool]]) -> bool:
        """What that says; False while Postgres is away."""
        try:
            more = await once()
        except Exception as fault:
            outage.goes_on(fault, stack=not isinstance(fault, UnavailableError))
            return False
        outage.is_over()
        return more
