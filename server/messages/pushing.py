"""Pushes for messages: whoever a message was told to, or for, has a push job, unless there is no use for it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

import structlog

from actors.preferences import OffsetAt, decide_message
from actors.user import User
from persistence.conversations.contract import DataFault
from persistence.faults import UnavailableError
from persistence.messages.contract import Circumstances, Job, Recipient
from persistence.messages.postgres import PostgresMessagePushes
from protocol.codec import MSGPACK
from protocol.events import MessageSent, ReadMoved
from protocol.ids import Millis, UserId
from server.messages.texts import content, kind_of
from server.messages.waiting import Waiting
from server.observe import Metrics
from server.outage import Outage

BATCH = 256
LOOK_S = 0.25
"""How often it is looked who has been held for long enough."""
LOCKED_S = 0.02
AWAY_S = 1.0
DRAIN_S = 2.0

log = structlog.get_logger()


class MessagePushes:
    """`user` finds an actor here; `now` is monotonic seconds, `clock` milliseconds since 1970.

    `told` is called for every message and read mark that users here are told, also those without any device, so it
    must cost next to nothing. Whom nobody can ask counts as away.
    """

    def __init__(
        self,
        store: PostgresMessagePushes,
        user: Callable[[UserId], User | None],
        now: Callable[[], float],
        clock: Callable[[], Millis],
        offset_at: OffsetAt,
    ) -> None:
        self.waiting = Waiting(now)
        self.written: Counter[str] = Counter()
        self.skipped = 0
        self._store = store
        self._user = user
        self._clock = clock
        self._offset_at = offset_at
        self._poked = asyncio.Event()
        self._outage = Outage("pushes for messages wait")

    def told(self, users: Sequence[UserId], event: MessageSent | ReadMoved) -> None:
        """These users here are told this."""
        waiting = self.waiting
        if isinstance(event, ReadMoved):
            for user in users:
                waiting.note_read(user, event)
            return
        if event.is_reaction:
            return
        for user in users:
            if user != event.sender and waiting.reachable(user):
                actor = self._user(user)
                hold = actor is not None and actor.in_front
                waiting.add(user, event, hold=hold)
                if not hold:
                    self._poked.set()

    async def run(self) -> None:
        """Write jobs until cancelled. What gathers while one statement runs is the next one's."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._poked.wait()
            self._poked.clear()
            await self.write_due()

    async def drain(self) -> None:
        """Write what is still held, due when its hold is over; what does not succeed in time is left to the sweep."""
        released = self.waiting.release()
        try:
            async with asyncio.timeout(DRAIN_S):
                for start in range(0, len(released), BATCH):
                    await self.push(released[start : start + BATCH], "live")
        except (UnavailableError, TimeoutError) as fault:
            log.warning("pushes that were held are left to the sweep", fault=repr(fault), count=len(released))

    async def write_due(self) -> None:
        """Write the jobs of all who are due by now."""
        while batch := self.waiting.take(BATCH):
            if pause := await self._round(batch):
                await asyncio.sleep(pause)

    async def _round(self, batch: Sequence[Recipient]) -> float:
        """Seconds that have to pass before the next one."""
        try:
            again = await self.push(batch, "live")
        except UnavailableError as fault:
            self._outage.goes_on(fault)
            self.waiting.put_back(batch)
            return AWAY_S
        self._outage.is_over()
        self.waiting.put_back(again)
        return LOCKED_S if again else 0

    async def push(self, batch: Sequence[Recipient], path: Literal["live", "sweep"]) -> list[Recipient]:
        """Write the jobs of those who need one; returns whom to ask again. Raises `UnavailableError`.

        What the database refuses is dropped, as it would refuse it again: halves of the batch down to the one at fault.
        """
        try:
            jobs = await self._jobs(batch)
            written, again = await self._store.write(jobs) if jobs else (0, [])
        except DataFault as fault:
            if middle := len(batch) // 2:
                return await self.push(batch[:middle], path) + await self.push(batch[middle:], path)
            log.error("a push for a message is refused", fault=str(fault))
            self.skipped += 1
            return []
        self.written[path] += written
        self.skipped += len(batch) - written - len(again)
        return again

    async def _jobs(self, batch: Sequence[Recipient]) -> list[Job]:
        jobs = []
        unreachable = set()
        for recipient, there in zip(batch, await self._store.look(batch), strict=True):
            if there == "unreachable":
                unreachable.add(recipient.user)
            elif there != "unwanted" and (job := self._job(recipient, there)):
                jobs.append(job)
        self.waiting.note_unreachable(unreachable)
        return jobs

    def _job(self, recipient: Recipient, there: Circumstances) -> Job | None:
        """None for what they do not want to be told by any channel. What comes in quiet hours waits for their end."""
        message, kind, now = recipient.message, kind_of(recipient, there), self._clock()
        preferences, thread = there.preferences, message.conversation
        wishes = decide_message(preferences, kind, message.sender, thread, there.follows, now, self._offset_at)
        if not wishes.alerts:
            return None
        channels = [name for name, on in (("push", wishes.push), ("email", wishes.email)) if on]
        hold_ms = max(recipient.hold_ms, wishes.not_before - now)
        return Job(recipient, kind, tuple(channels), MSGPACK.encode(content(recipient, there)), hold_ms)

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        waiting = self.waiting
        metrics.gauges["tidings_message_pushes_waiting"] = ("Who may need a push for a message", lambda: len(waiting))
        metrics.counters |= {
            "tidings_message_pushes_live": ("Push jobs written as messages were told", lambda: self.written["live"]),
            "tidings_message_pushes_swept": ("Push jobs that only the sweep found", lambda: self.written["sweep"]),
            "tidings_message_pushes_held": ("Messages held for a reader at a screen", lambda: waiting.held),
            "tidings_message_pushes_read": ("Times that held messages were read", lambda: waiting.read),
            "tidings_message_pushes_skipped": ("Readers who needed no push, or had it", lambda: self.skipped),
            "tidings_message_pushes_overflowed": ("Readers left to the sweep", lambda: waiting.overflowed),
        }
