"""Telling: who is online hears of a new post, each user's own home telling them.

Of a celebrity's post each node gets one item, asks Postgres about those here who may follow them, some at a time, and
writes the same frame to all who may see it and want to: straight to the sockets that take it, as actors would find them
one by one in memory that nobody has looked at for minutes. Only whose socket takes no more is told through their actor,
which keeps it until it does. It goes on by slices of a turn of the loop each, so that messages of others pass in
between.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from actors.effects import Address, user_address
from actors.user_commands import Delivered
from persistence.faults import UnavailableError
from persistence.feed.postgres import FeedStore
from protocol.codec import Encoded
from protocol.ids import UserId
from protocol.live import FeedNew
from protocol.posts import PostId
from server.feed.interests import Interests
from server.outage import Outage

ASKED_AT_ONCE, ASKING = 1_000, 2
SLICE = 48
"""Sockets that are written to in one turn of the loop: half a millisecond, most of it the kernel's."""
TURNS, IDLE_S = 5, 0.000_06
"""Turns of the loop that are left to others while they have something to do; one that takes less time had nothing."""
WAITING = 100
"""Posts of celebrities that wait to be told. What is beyond is not told: the feed has it."""
SWEEP_S = 30.0


class Listener(Protocol):
    """A connection that is open. `takes_live`: live events are for it now."""

    number: int
    user: UserId | None
    background: bool

    @property
    def takes_live(self) -> bool: ...


class Sockets(Protocol):
    """The connections of this node; `find` gives one that is open."""

    def find(self, number: int) -> Listener | None: ...

    def write_live(self, connections: Iterable[Any], encoded: Encoded) -> None: ...


class Telling:
    """Of celebrities, to users at home here. `told` counts connections; `tell` reaches the actor of a user here;
    `sheds`: there is too much to do for such news."""

    def __init__(
        self,
        store: FeedStore,
        sockets: Sockets,
        tell: Callable[[Address, Delivered], None],
        sheds: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self.told = self.let_go = 0
        self.interests = Interests(now)
        self._store = store
        self._sockets = sockets
        self._tell_user = tell
        self._sheds = sheds
        self._now = now
        self._handing = asyncio.Lock()
        # The post that is being told, as long as it is there.
        self._post = ""
        self._waiting: asyncio.Queue[Encoded] = asyncio.Queue(WAITING)
        self._outage = Outage("posts of celebrities are not told live")

    def interested(self, encoded: Encoded) -> None:
        """Tell this `FeedNew` to whoever is interested here."""
        try:
            self._waiting.put_nowait(encoded)
        except asyncio.QueueFull:
            self.let_go += 1

    def withdrawn(self, post: PostId) -> None:
        """Nobody sees it any more: whoever has not heard of it does not."""
        if post == self._post:
            self._post = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            encoded = await self._waiting.get()
            with self._outage.noted():
                await self.tell(encoded)

    async def sweep(self) -> None:
        """Forget who is not here any more, now and then, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.interests.keep(lambda connection: self._sockets.find(connection) is not None)

    async def tell(self, encoded: Encoded) -> None:
        """Raises `UnavailableError` when some were not told."""
        event = encoded.event
        assert isinstance(event, FeedNew)
        if self._sheds():
            self.let_go += 1
            return
        self._post = event.post
        audience = self.interests.audience(event.author)
        changed = await self._tell_all(encoded, event, audience.connections)
        self.interests.learned(event.author, audience)
        if changed:
            await self._tell_all(encoded, event, changed)

    async def _tell_all(self, encoded: Encoded, event: FeedNew, all: list[int]) -> list[int]:
        """Those who may follow others than before, or be something else to them, since they were asked about: they are
        not told on what was found then."""
        chunks = iter([all[start : start + ASKED_AT_ONCE] for start in range(0, len(all), ASKED_AT_ONCE)])
        changed = list[int]()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(ASKING):
                    group.create_task(self._tell_some(encoded, event, chunks, changed))
        except* UnavailableError as faults:
            raise faults.exceptions[0] from None
        return changed

    async def _tell_some(
        self, encoded: Encoded, event: FeedNew, chunks: Iterator[list[int]], changed: list[int]
    ) -> None:
        for numbers in chunks:
            here, asked = [one for number in numbers if (one := self._sockets.find(number))], self.interests.upto
            users = [int(one.user or 0) for one in here]
            following, told = await self._store.audience(int(event.post), event.author, users)
            strangers = [one.number for one, user in zip(here, users, strict=True) if user not in following]
            self.interests.learn(event.author, numbers, strangers)
            those = [one for one, user in zip(here, users, strict=True) if user in told]
            async with self._handing:
                for start in range(0, len(those), SLICE):
                    if self._post != event.post:
                        break
                    some = those[start : start + SLICE]
                    if late := self.interests.changed(asked, [one.number for one in some]):
                        changed += late
                        some = [one for one in some if one.number not in late]
                    self._hand(some, encoded)
                    await self._give_way()

    async def _give_way(self) -> None:
        """Let others go on: an answer takes many turns of the loop, which no slice of ours should come between."""
        # What was handed is written in this turn.
        await asyncio.sleep(0)
        for _ in range(TURNS):
            begun = self._now()
            await asyncio.sleep(0)
            if self._now() - begun < IDLE_S:
                return

    def _hand(self, connections: Sequence[Listener], encoded: Encoded) -> None:
        """One frame to the sockets that take more; for others their users keep it until they do."""
        taking = [one for one in connections if one.takes_live]
        self._sockets.write_live(taking, encoded)
        self.told += len(taking)
        if len(taking) < len(connections):
            for one in connections:
                if one.user and not one.background and not one.takes_live:
                    self.told += 1
                    self._tell_user(user_address(one.user), Delivered(encoded, one.number))
