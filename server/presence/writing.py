"""Writing: what this node's own users are up to, for all nodes, as soon as the store takes it."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from persistence.faults import UnavailableError
from persistence.presence.contract import News, PresenceStore, Record
from protocol.ids import UserId

TOGETHER_S = 0.05
"""What comes within that time is written together; of one user the latest."""
AGAIN_S = 0.3
SLICE = 100
EVERY_S = 60.0
"""How often everything is written again, so that what the store has lost comes back."""
BREATH_S = 0.05

RELATED = 10_000
"""Pairs that wait. While the store is away nobody is told anything, and once it is back everybody is told anew."""


class Writing:
    """`everybody` gives the records of all who are at home here and not offline, each as it is when it is taken.

    `failed` is told when nothing answers.

    What could not be written waits, one record for each user.
    """

    def __init__(
        self,
        me: str,
        store: PresenceStore,
        everybody: Callable[[], Iterable[tuple[UserId, Record]]],
        failed: Callable[[], None],
    ) -> None:
        self.written = 0
        self._me = me
        self._store = store
        self._everybody = everybody
        self._failed = failed
        self._number = 0
        self._waiting: dict[UserId, Record] = {}
        self._related: dict[tuple[UserId, UserId | None], None] = {}
        self._work = asyncio.Event()

    def write(self, user: UserId, record: Record) -> None:
        """This is how the user stands from now on."""
        self._waiting[user] = record
        self._work.set()

    def waiting(self, user: UserId) -> Record | None:
        """What is not written yet."""
        return self._waiting.get(user)

    def relate(self, a: UserId, b: UserId | None) -> None:
        """What these may see of each other, or of anybody, has changed."""
        if len(self._related) < RELATED:
            self._related[a, b] = None
        self._work.set()

    def beat(self) -> News:
        """Word that this node is there, by which others know whether they have missed any."""
        return News(self._me, self._number)

    async def rewrite(self, pause_s: float = 0.0) -> None:
        """Write what there is to be known of everybody at home here. Raises `UnavailableError`."""
        # Each is looked at when it is their turn: what was so when it began may have been written over since.
        everybody = iter(self._everybody())
        while records := dict(islice(everybody, SLICE)):
            # What waits is newer.
            await self._store.write({user: record for user, record in records.items() if user not in self._waiting})
            await asyncio.sleep(pause_s)
        await self._flush()
        await self._store.write({}, News(self._me, self._number, again=True))

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._work.wait()
            await asyncio.sleep(TOGETHER_S)
            try:
                await self._flush()
            except UnavailableError:
                self._failed()
                await asyncio.sleep(AGAIN_S)

    async def keep(self) -> None:
        """Write everything again from time to time, until cancelled."""
        loop, took = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(EVERY_S - took)
            begun = loop.time()
            try:
                await self.rewrite(BREATH_S)
            except UnavailableError:
                self._failed()
            took = loop.time() - begun

    async def _flush(self) -> None:
        while self._waiting or self._related:
            records = dict(list(self._waiting.items())[:SLICE])
            # Taken out before: what is said again meanwhile is news once more.
            related = tuple(islice(self._related, SLICE))
            for pair in related:
                del self._related[pair]
            self._number += 1
            try:
                await self._store.write(records, News(self._me, self._number, tuple(records.items()), related))
            except UnavailableError:
                for pair in related:
                    self.relate(*pair)
                raise
            self.written += len(records)
            for user, record in records.items():
                if self._waiting.get(user) is record:
                    del self._waiting[user]
        self._work.clear()
