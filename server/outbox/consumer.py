"""A consumer: has events handled, finds those that cannot be, and says so in Postgres before anywhere else."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog

from persistence.faults import UnavailableError
from persistence.outbox.contract import DeadLetter, Event, Message, OutboxStore
from server.outage import Outage

Handler: TypeAlias = Callable[[Sequence[Event]], Awaitable[None]]
"""Handles events of its topic, each at least once and in no certain order: a repeat it knows by the id, and changes
nothing then. Raises `UnavailableError`, or an OSError, when it could not and shall be asked again; anything else when
an event among these cannot be handled by anybody."""

HANDLE_S = 8.0
"""How long a handler may take, which is less than it takes until somebody else is asked."""
PATIENCE = 3
"""How often a handler may be too slow for a whole message. Then that is halved, or it would never end."""
MOST_TOLD = 500
"""Characters kept of why an event could not be handled."""

log = structlog.get_logger()


class Consumer:
    """Reads `topic` as `name`, which is a word of letters and `_`, the same in all releases."""

    def __init__(self, name: str, topic: str, handle: Handler, store: OutboxStore, within_s: float = HANDLE_S) -> None:
        self.name = name
        self.topic = topic
        self.handled = 0
        self._handle = handle
        self._store = store
        self._within_s = within_s
        self._outage = Outage("events wait", consumer=name)

    async def take(self, message: Message) -> bool:
        """Have its events handled unless they are already; False: not now, and nothing is lost.

        An event that cannot be handled is found by halving, and becomes a dead letter; all others are handled.
        """
        try:
            if attempts := await self._store.hold(message):
                dead = await self._deal(message.events, attempts)
                await self._store.done(message, dead)
                self._told(message, dead)
        except (UnavailableError, OSError) as fault:
            self._outage.goes_on(fault)
            return False
        self._outage.is_over()
        return True

    async def _deal(self, events: Sequence[Event], attempts: int) -> list[DeadLetter]:
        deadline = asyncio.timeout(self._within_s)
        try:
            async with deadline:
                await self._handle(events)
        except (UnavailableError, OSError):
            if not deadline.expired() or attempts <= PATIENCE or len(events) == 1:
                raise
        except Exception as fault:
            if len(events) == 1:
                return [DeadLetter(self.name, events[0], _kept(fault), attempts)]
        else:
            return []
        half = len(events) // 2
        return [*await self._deal(events[:half], attempts), *await self._deal(events[half:], attempts)]

    def _told(self, message: Message, dead: Sequence[DeadLetter]) -> None:
        self.handled += len(message.events) - len(dead)
        if dead:
            ids = [letter.event.id for letter in dead]
            log.error("events are dead", consumer=self.name, count=len(ids), first=ids[0], last=ids[-1])


def _kept(fault: Exception) -> str:
    """Why, as Postgres takes it: an exception may call itself anything."""
    return repr(fault)[:MOST_TOLD].encode(errors="backslashreplace").decode().replace("\0", "")
