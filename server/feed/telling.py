"""Telling: who is online hears of a new post, each user's own home telling them.

Of a celebrity's post each node gets one item, asks Postgres about those here who may follow them, some hundred at a
time, and hands the same frame to all who may see it and want to. It goes on by slices of a turn of the loop each, so
that messages of others pass in between.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from actors.effects import Address, connection_address, user_address
from actors.user import User
from actors.user_commands import Delivered
from persistence.faults import UnavailableError
from persistence.feed.postgres import FeedStore
from protocol.codec import Encoded
from protocol.events import FeedNew
from protocol.ids import UserId
from server.feed.interests import Interests
from server.outage import Outage

ASKED_AT_ONCE, ASKING = 500, 2
SLICE = 32
"""Users who are told in one turn of the loop: half a millisecond, as a write to a socket costs 15 µs."""
WAITING = 100
"""Posts of celebrities that wait to be told. What is beyond is not told: the feed has it."""
SWEEP_S = 30.0


class Ways(Protocol):
    """How those here are reached: connections by `deliver`, users by `tell`; `user` finds an actor here."""

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None: ...

    def tell(self, address: Address, command: Any) -> None: ...

    def user(self, user: UserId) -> User | None: ...

    def sheds(self) -> bool:
        """There is too much to do for such news."""


class Telling:
    """Of celebrities, to users at home here. `told` counts users."""

    def __init__(self, store: FeedStore, ways: Ways, now: Callable[[], float]) -> None:
        self.told = self.let_go = 0
        self.interests = Interests(now)
        self._store = store
        self._ways = ways
        self._waiting: asyncio.Queue[Encoded] = asyncio.Queue(WAITING)
        self._outage = Outage("posts of celebrities are not told live")

    def interested(self, encoded: Encoded) -> None:
        """Tell this `FeedNew` to whoever is interested here."""
        try:
            self._waiting.put_nowait(encoded)
        except asyncio.QueueFull:
            self.let_go += 1

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
            self.interests.keep(lambda user: self._ways.user(user) is not None)

    async def tell(self, encoded: Encoded) -> None:
        """Raises `UnavailableError` when some were not told."""
        event = encoded.event
        assert isinstance(event, FeedNew)
        if self._ways.sheds():
            self.let_go += 1
            return
        audience = self.interests.audience(event.author)
        users = audience.users
        chunks = iter([users[start : start + ASKED_AT_ONCE] for start in range(0, len(users), ASKED_AT_ONCE)])
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(ASKING):
                    group.create_task(self._tell_some(encoded, event, chunks))
        except* UnavailableError as faults:
            raise faults.exceptions[0] from None
        self.interests.learned(event.author, audience)

    async def _tell_some(self, encoded: Encoded, event: FeedNew, chunks: Iterator[list[UserId]]) -> None:
        for users in chunks:
            following, told = await self._store.audience(int(event.post), users)
            self.interests.learn(event.author, users, following)
            for start in range(0, len(told), SLICE):
                self._hand(told[start : start + SLICE], encoded)
                await asyncio.sleep(0)

    def _hand(self, users: Sequence[UserId], encoded: Encoded) -> None:
        """One frame to the sockets that take more; for others their users keep it until they do."""
        connections: list[Address] = []
        for id in users:
            user = self._ways.user(id)
            if user is None:
                continue
            flowing = user.flowing
            if flowing is None:
                self._ways.tell(user_address(id), Delivered(encoded))
            else:
                connections += map(connection_address, flowing)
            self.told += 1
        self._ways.deliver(tuple(connections), encoded)
