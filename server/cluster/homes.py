"""Homes: all sessions of a user live on one node, so that no state of theirs crosses nodes.

A client that comes to another node is sent to its home, or relayed there when it does not follow. When homes move,
their sockets are closed in slices: each comes back to the new home and catches up there.
"""

import asyncio
from collections.abc import Iterator
from typing import Protocol

from actors.effects import user_address
from persistence.nodes.contract import Life
from protocol.errors import Close, moved
from protocol.ids import UserId
from server.cluster.membership import Membership
from server.host import Host

SLICE = 100
EVERY_S = 0.05


class Session(Protocol):
    """A connection; `user` is who has said hello."""

    @property
    def user(self) -> UserId | None: ...

    @property
    def home(self) -> Life | None:
        """The node that it is relayed to; None when its session lives here."""

    def close(self, close: Close) -> None: ...


class Sessions(Protocol):
    """The connections of this node."""

    def __iter__(self) -> Iterator[Session]: ...


class Homes:
    """Moves those away from `sessions` and `host` whose home is elsewhere, 2,000 sockets a second."""

    def __init__(self, membership: Membership, sessions: Sessions, host: Host) -> None:
        self._membership = membership
        self._sessions = sessions
        self._host = host
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """The placement is another one."""
        self._changed.set()

    async def run(self) -> None:
        """Move whoever has to, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._move_sockets()
            self._forget_users()

    async def _move_sockets(self) -> None:
        closed = 0
        for connection in list(self._sessions):
            if connection.user is None or (home := self._membership.home(connection.user)) == connection.home:
                continue
            connection.close(moved((home or self._membership.node).url))
            closed += 1
            if closed % SLICE == 0:
                await asyncio.sleep(EVERY_S)

    def _forget_users(self) -> None:
        """What is kept for devices that are away: they will not come back to it."""
        population = self._host.population
        for user in population.keys("user"):
            if self._membership.home(UserId(str(user))) and (activation := population.get(user_address(str(user)))):
                population.forget(activation)
