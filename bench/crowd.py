"""All clients of one process together: who owes an ack, who is not ready yet, what went wrong."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from bench.faults import Faults

if TYPE_CHECKING:
    from bench.client import Client

ACK_AFTER = 0.8
"""Seconds from storing an event to its ack: the contract allows 1 s, a tick and a busy loop take the rest."""


class Crowd:
    """All clients of one process: how to reach the server, who owes an ack, what went wrong, who is not ready yet.

    With `follow`, clients go where they are at home: it connects one again, to the port that it was sent to. `moves`
    counts how often.
    """

    def __init__(self, request: bytes, faults: Faults, follow: Callable[[Client], None] | None = None) -> None:
        self.request = request
        self.faults = faults
        self.follow = follow
        self.pings = self.moves = 0
        self._owing: deque[tuple[float, Client]] = deque()
        self._expected = 0
        self._told = asyncio.Event()

    def owe(self, client: Client) -> None:
        """Remember that `client` stored an event now."""
        self._owing.append((client.read_at + ACK_AFTER, client))

    async def keep_acking(self) -> None:
        """Send each owed ack when its time comes, spread as the events were; runs until cancelled."""
        while True:
            await asyncio.sleep(0.01)
            now = monotonic()
            while self._owing and self._owing[0][0] <= now:
                self._owing.popleft()[1].ack_owed()

    def expect(self, count: int) -> None:
        """Begin to wait for `count` times `tell`."""
        self._expected = count
        self._told.clear()

    def tell(self) -> None:
        """One of the expected things happened: a client is ready, gone, or has its event."""
        self._expected -= 1
        if self._expected <= 0:
            self._told.set()

    async def all_told(self, within: float, what: str) -> None:
        """Wait for the expected; what is missing after `within` seconds is a fault named `what`."""
        try:
            async with asyncio.timeout(within):
                await self._told.wait()
        except TimeoutError:
            self.faults.add(what, f"after {within:.0f} s", self._expected)
