"""Pictures in Postgres: every call is one statement, and raises `UnavailableError`."""

from collections.abc import Callable
from typing import Literal

import asyncpg
import msgspec
from msgspec import Struct

from persistence.media import statements
from persistence.pool import Pool, always, fetch
from protocol.ids import UserId
from protocol.media import MEDIA, MediaId, MediaSettled

WITHIN_S = 3.0
"""How long one statement may take, the wait for a connection included."""
SERVED_WITHIN_S = 2.0


class Steps(Struct, frozen=True, omit_defaults=True):
    """What has been done for a picture, and what was found. None: not yet. Hashes are in hexadecimal."""

    assembled: bool = False
    type: str | None = None
    width: int | None = None
    height: int | None = None
    thumbhash: str | None = None
    perceptual: str | None = None
    moderated: bool = False


class Claimed(Struct, frozen=True):
    """A picture that has something to be done for it, ours until the lease ends: `claim` says so with what is written.
    `attempts`: how often it was begun, this time too, unless what ended that was not its fault."""

    media: MediaId
    owner: UserId
    state: Literal["processing", "ready", "rejected"]
    bytes: int
    steps: Steps
    claim: int
    attempts: int
    width: int
    reason: str | None


class Outcome(Struct, frozen=True):
    """How processing ends. `width` and `height` are of the largest variant."""

    state: Literal["ready", "rejected"]
    reason: str | None = None
    type: str | None = None
    width: int | None = None
    height: int | None = None
    thumbhash: bytes | None = None
    perceptual: bytes | None = None


class Served(Struct, frozen=True, gc=False):
    """What may be shown: how wide its largest variant is, and for how long it may be shown still."""

    width: int
    left_ms: int


class PostgresMedia:
    """On a pool of connections. `may` is asked before anything is written, as by `persistence.pool.fetch`."""

    def __init__(self, pool: Pool, may: Callable[[], bool] = always) -> None:
        self._pool = pool
        self._may = may

    async def claim(self, lease_ms: int) -> Claimed | None:
        """One picture that is due, if there is one that nobody else has."""
        for row in await self._fetch(statements.CLAIM, lease_ms):
            steps = msgspec.json.decode(row["steps"], type=Steps)
            who = MediaId(str(row["id"])), UserId(str(row["owner"]))
            begun = row["claim"], row["attempts"]
            return Claimed(*who, row["state"], row["bytes"], steps, *begun, row["width"] or 0, row["reason"])
        return None

    async def record(self, job: Claimed, found: Steps, lease_ms: int) -> bool:
        """A step is done, and the lease begins anew. False: somebody else has the picture."""
        patch = msgspec.json.encode(found).decode()
        return bool(await self._fetch(statements.RECORD, int(job.media), job.claim, patch, lease_ms))

    async def postpone(self, job: Claimed, wait_ms: int, reason: str | None) -> None:
        """Do it again then. Without a reason it was not the picture's fault, and does not count."""
        await self._fetch(statements.POSTPONE, int(job.media), job.claim, wait_ms, reason)

    async def settle(self, job: Claimed, outcome: Outcome, lease_ms: int) -> bool:
        """Processing has ended, and with it goes the event. False: somebody else has the picture, or had."""
        event = MediaSettled(job.media, job.owner, outcome.state)
        bits = None if outcome.perceptual is None else asyncpg.BitString.frombytes(outcome.perceptual)
        found = outcome.type, outcome.width, outcome.height, outcome.thumbhash, bits, outcome.reason
        told = MEDIA, msgspec.msgpack.encode(event)
        where = int(job.media), job.claim, outcome.state
        return bool(await self._fetch(statements.SETTLE, *where, *found, lease_ms, *told))

    async def again(self, job: Claimed) -> None:
        """Should somebody else have taken it over, and have settled it since: it is put away, or cleared, once more."""
        await self._fetch(statements.AGAIN, int(job.media), job.claim, job.state)

    async def finish(self, job: Claimed) -> None:
        """Nothing is left to be done."""
        await self._fetch(statements.FINISH, int(job.media), job.claim)

    async def waiting(self) -> int:
        """How many are due, to 100,000."""
        return int((await self._fetch(statements.WAITING))[0]["waiting"])

    async def served(self, viewer: str, media: str, until_ms: int) -> Served | None:
        """A picture that is ready, that `viewer` may see now, and for which it is not `until_ms` yet, by the database's
        clock. Else None, whatever is the matter."""
        rows = await fetch(self._pool, SERVED_WITHIN_S, statements.SERVED, int(viewer), int(media), until_ms)
        return Served(rows[0]["width"], rows[0]["left_ms"]) if rows else None

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments, may=self._may)
