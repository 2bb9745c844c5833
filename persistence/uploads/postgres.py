"""Uploads in Postgres."""

from collections.abc import Collection
from typing import Literal

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from persistence.once import once
from persistence.pool import Pool, fetch, transaction
from persistence.uploads import statements
from protocol.ids import Millis, UserId, shard_of

WITHIN_S = 3.0
"""How long one call may take, the wait for a connection included."""

Full = Literal["day", "unfinished"]
"""What is used up: the bytes or files of a day, or the number of uploads that are not finished."""


class Upload(Struct, frozen=True, kw_only=True):
    """One upload: `received` of `length` bytes are durable. `claim` is its latest writer's, who writes if it is `held`.

    `head` is as many of its first bytes as its type is told by, `type` what they told. Finished ones are media.
    `known`: the request that announced it was made before.
    """

    id: str
    owner: UserId
    length: int
    received: int
    metadata: str
    claim: int
    head: bytes
    type: str | None
    finished: bool
    expires_at: Millis
    expired: bool
    held: bool
    known: bool = False

    @property
    def is_spent(self) -> bool:
        """It was begun to be written too often: nobody may claim it any more."""
        return self.claim >= statements.MOST_CLAIMS + self.length // statements.LEAST_EACH


class Quota(Struct, frozen=True):
    """What one person may bring: bytes and files in 24 hours, as announced, and uploads that are not finished."""

    day_bytes: int
    day_files: int
    unfinished: int


class PostgresUploads:
    """All uploads of a database. Every method raises `UnavailableError`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self, owner: UserId, length: int, metadata: str, expire_s: int, quota: Quota, cid: str | None = None
    ) -> Upload | Full:
        """Announce one, in the place of the one that was left longest ago if they may have no more. With a `cid` that
        is known: the upload that it announced, whatever is asked now."""
        return await once(lambda: self._create(owner, length, metadata, expire_s, quota, cid))

    async def _create(
        self, owner: UserId, length: int, metadata: str, expire_s: int, quota: Quota, cid: str | None
    ) -> Upload | Full | None:
        user = int(owner)
        async with transaction(self._pool, WITHIN_S) as connection:
            await connection.fetch(statements.LOCK, user)
            if cid is not None and (known := await connection.fetchrow(statements.KNOWN, user, cid)):
                return replace(_upload(known), known=True)
            spent = await connection.fetchrow(statements.SPENT, user)
            if spent["bytes"] + length > quota.day_bytes or spent["files"] >= quota.day_files:
                return "day"
            if spent["unfinished"] >= quota.unfinished and not await connection.fetch(statements.GIVE_WAY, user):
                return "unfinished"
            made = await connection.fetchrow(statements.CREATE, shard_of(owner), user, length, metadata, expire_s, cid)
        return _upload(made) if made else None

    async def look(self, id: str, owner: UserId) -> Upload | None:
        """That of its owner; what is somebody else's is as if it did not exist."""
        rows = await fetch(self._pool, WITHIN_S, statements.LOOK, int(id), int(owner))
        return _upload(rows[0]) if rows else None

    async def claim(self, id: str, owner: UserId, offset: int, hold_ms: int) -> Upload | None:
        """Become its writer from `offset` on, for so long; None when it stands elsewhere, is held, or not there."""
        rows = await fetch(self._pool, WITHIN_S, statements.CLAIM, int(id), int(owner), offset, hold_ms)
        return _upload(rows[0]) if rows else None

    async def hold(self, id: str, claim: int, hold_ms: int) -> bool:
        """Stay its writer for so long from now; False: it has another one, or has ended."""
        return bool(await fetch(self._pool, WITHIN_S, statements.HOLD, int(id), claim, hold_ms))

    async def accept(self, upload: Upload, start: int, end: int, hold_ms: int) -> bool:
        """The bytes from `start` to `end` are durable, and not the last. False as by `hold`: they do not count."""
        arguments = int(upload.id), upload.claim, start, end, upload.head, upload.type, hold_ms
        return bool(await fetch(self._pool, WITHIN_S, statements.ACCEPT, *arguments))

    async def finish(self, upload: Upload, start: int) -> bool:
        """The last bytes, from `start` on, are durable: from now on it is media, waiting for the pipeline."""
        arguments = int(upload.id), upload.claim, start, upload.head, upload.type
        return bool(await fetch(self._pool, WITHIN_S, statements.FINISH, *arguments))

    async def release(self, upload: Upload) -> None:
        """Somebody else may write."""
        await fetch(self._pool, WITHIN_S, statements.RELEASE, int(upload.id), upload.claim)

    async def end(self, id: str, owner: UserId) -> bool:
        """It has expired now; False when it had, was finished, or is not theirs."""
        return bool(await fetch(self._pool, WITHIN_S, statements.END, int(id), int(owner)))

    async def expired(self, limit: int) -> list[str]:
        """Those whose pieces nobody needs any more, and to whose URL nothing can be put, the oldest first."""
        return [str(row["id"]) for row in await fetch(self._pool, WITHIN_S, statements.EXPIRED, limit)]

    async def drop(self, ids: Collection[str]) -> int:
        """Forget those of them that have expired; how many."""
        return len(await fetch(self._pool, WITHIN_S, statements.DROP, [int(id) for id in ids]))


def _upload(row: asyncpg.Record) -> Upload:
    return Upload(
        id=str(row["id"]),
        owner=UserId(str(row["owner"])),
        length=row["length"],
        received=row["received"],
        metadata=row["metadata"],
        claim=row["claim"],
        head=row["head"],
        type=row["type"],
        finished=row["media"] is not None,
        expires_at=Millis(row["expires_at"]),
        expired=row["expired"],
        held=row["held"],
    )
