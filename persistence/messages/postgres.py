"""Pushes for messages in Postgres: who is to have one, the jobs, the sweep of the log. The SQL is in `statements`."""

from collections.abc import Callable, Collection, Sequence

import asyncpg
import msgspec

from persistence.conversations.contract import DataFault
from persistence.conversations.views import EVENTS_A_SCAN, place, read_place
from persistence.messages import statements
from persistence.messages.contract import Circumstances, Finding, Job, Recipient, Swept
from persistence.pool import Pool, always, fetch
from protocol.events import AnyLogEvent, MessageSent
from protocol.ids import Millis, UserId
from protocol.preferences import DEFAULTS, Preferences

WITHIN_S = 3.0
"""How long one statement may take, the wait for a connection included."""
LIFE_MS = 86_400_000
"""For so long after it is due a job is worth sending."""

_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
_decode = msgspec.msgpack.Decoder(AnyLogEvent).decode
_preferences = msgspec.msgpack.Decoder(Preferences).decode


class PostgresMessagePushes:
    """Every statement commits by itself. All methods raise `UnavailableError`, and `DataFault` for data refused.

    `scans` has the settings `persistence.pool.SCANNING`. `may`: whether this node may ask and write at all.
    """

    def __init__(self, pool: Pool, scans: Pool, may: Callable[[], bool] = always) -> None:
        self._pool = pool
        self._scans = scans
        self._may = may

    async def look(self, recipients: Sequence[Recipient]) -> list[Finding]:
        """Each as it is right now, in order. Raises `UnavailableError`."""
        users, conversations, places, senders = (
            [int(one.user) for one in recipients],
            [int(one.message.conversation) for one in recipients],
            [one.message.c for one in recipients],
            [int(one.message.sender) for one in recipients],
        )
        found = await self._rows(self._pool, statements.LOOK, users, conversations, places, senders)
        return [_finding(row) for row in found]

    async def write(self, jobs: Sequence[Job]) -> tuple[int, list[Recipient]]:
        """Insert those that are still unread and unsaid, each once and at most one per member and conversation.

        Returns how many were, and the recipients whose marks are being written right now: to be asked again.
        """
        ((held, written),) = await self._rows(self._pool, statements.WRITE, *_columns(jobs), LIFE_MS)
        asked = set(held)
        return written, [job.recipient for n, job in enumerate(jobs, 1) if n not in asked]

    async def swept(self, groups: Collection[int]) -> Millis | None:
        """Until when all of these groups of shards have been swept; None when one never was."""
        ((until, known),) = await self._rows(self._scans, statements.SWEPT, list(groups))
        return Millis(until) if known == len(groups) else None

    async def mark_swept(self, groups: Collection[int], until: Millis) -> None:
        """These groups of shards have been swept until then."""
        await self._rows(self._scans, statements.MARK, list(groups), until)

    async def sweep(self, since: Millis, until: Millis, shards: bytes, then: str | None) -> Swept:
        """Messages stored from `since` to before `until` in conversations of these shards (8,192 bits, the lowest of a
        byte first), some thousands at a time, with the members that have a device and whom they have not reached.

        `then` is that of the page before; raises ValueError when it is not of a sweep.
        """
        first = (since * 1_000, 0, 0) if then is None else read_place(then)
        found = await self._rows(self._scans, statements.SWEEP, *first, until, shards, EVENTS_A_SCAN)
        recipients: list[Recipient] = []
        further = None
        for body, users, at, conversation, c in found:
            if users is None:
                further = place(at, conversation, c)
            elif isinstance(message := _decode(body), MessageSent) and not message.is_reaction:
                recipients += [Recipient(UserId(user), message, message.c) for user in users]
        return Swept(tuple(recipients), further)

    async def _rows(self, pool: Pool, statement: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await fetch(pool, WITHIN_S, statement, *arguments, may=self._may)
        except _REFUSED as fault:
            raise DataFault(str(fault)) from fault


def _finding(row: asyncpg.Record) -> Finding:
    reachable, folder, title, sender, locale, badge, preferences, follows = row
    if not reachable:
        return "unreachable"
    if not folder:
        return "unwanted"
    wishes = _preferences(preferences) if preferences else DEFAULTS
    return Circumstances(folder, title, sender or "", locale, badge, wishes, follows)


def _columns(jobs: Sequence[Job]) -> tuple[list[object], ...]:
    rows = [
        (
            int(job.recipient.user),
            int(job.recipient.message.conversation),
            job.recipient.message.c,
            job.recipient.upto,
            int(job.recipient.message.sender),
            job.kind,
            " ".join(job.channels),
            job.body,
            job.hold_ms,
        )
        for job in jobs
    ]
    return tuple([row[column] for row in rows] for column in range(9))
