"""Pictures that are nearly the same, by PDQ's bits: those of one owner, and those that nobody may show again."""

import asyncpg

from persistence.media import statements
from persistence.pool import Pool, fetch
from protocol.ids import UserId
from protocol.media import MediaId

WITHIN_S = 2.0
HASH_BYTES = 32


class PostgresLikeness:
    """Every call is one statement, and raises `UnavailableError`. Hashes are of 32 bytes: else ValueError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def alike(self, owner: UserId, media: MediaId, hash: bytes) -> list[MediaId]:
        """Others of this owner's pictures that look like it, the latest first, among their latest 10,000."""
        rows = await self._fetch(statements.ALIKE, int(owner), int(media), _bits(hash))
        return [MediaId(str(row["id"])) for row in rows]

    async def blocked(self, hash: bytes) -> bool:
        """Does it look like a picture that is blocked?"""
        return bool(await self._fetch(statements.BLOCKED, _bits(hash), _neighbours(hash)))

    async def block(self, hash: bytes, note: str) -> bool:
        """Nobody may show this any more. False: it was blocked already."""
        return bool(await self._fetch(statements.BLOCK, _bits(hash), note))

    async def unblock(self, hash: bytes) -> bool:
        """False: it was not blocked."""
        return bool(await self._fetch(statements.UNBLOCK, _bits(hash)))

    async def hash_of(self, media: MediaId) -> bytes | None:
        """What was found when it was processed; None for a picture too plain, or unknown."""
        rows = await self._fetch(statements.HASH, int(media))
        return rows[0]["perceptual"].bytes if rows and rows[0]["perceptual"] is not None else None

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments)


def _bits(hash: bytes) -> asyncpg.BitString:
    if len(hash) != HASH_BYTES:
        raise ValueError(f"a hash has {HASH_BYTES} bytes, not {len(hash)}")
    return asyncpg.BitString.frombytes(hash)


def _neighbours(hash: bytes) -> list[int]:
    """Each of the 16 parts as a number, followed by the 16 numbers that differ from it in one bit."""
    parts = [int.from_bytes(hash[place : place + 2]) for place in range(0, HASH_BYTES, 2)]
    return [number for part in parts for number in (part, *(part ^ 1 << bit for bit in range(statements.PART_BITS)))]
