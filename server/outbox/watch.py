"""How far consumers are behind, as metrics; and what nobody reads does not stay for ever."""

import asyncio
from collections.abc import Sequence

import structlog

from persistence.faults import UnavailableError
from persistence.outbox.contract import Lag, OutboxStore
from server.outage import Outage

EVERY_S = 5.0
MOST_COUNTED = 100_000
UNREAD_MS = 86_400_000
"""How long an event is kept that no consumer reads: longer than nodes of two releases run side by side."""

log = structlog.get_logger()


class Watch:
    """`lags`: of each consumer in the whole cluster, as of the last look."""

    def __init__(self, store: OutboxStore) -> None:
        self.lags: Sequence[Lag] = ()
        self._store = store
        self._outage = Outage("the lag of the outbox is not known")

    async def run(self) -> None:
        """Look every five seconds until cancelled."""
        while True:
            try:
                await self.look()
                self._outage.is_over()
            except UnavailableError as fault:
                self._outage.goes_on(fault)
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Once. Raises `UnavailableError`."""
        self.lags = await self._store.lag(MOST_COUNTED)
        if dropped := await self._store.forget(UNREAD_MS):
            log.warning("events were dropped that nobody reads", count=dropped)

    @property
    def waiting(self) -> int:
        """Events that some consumer has not handled."""
        return sum(lag.waiting + lag.under_way for lag in self.lags)

    @property
    def oldest_s(self) -> float:
        """How long the one has waited that has waited for longest, in seconds."""
        return max((lag.oldest_ms for lag in self.lags), default=0) / 1_000

    @property
    def dead(self) -> int:
        """Dead letters."""
        return sum(lag.dead for lag in self.lags)
