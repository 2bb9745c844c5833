"""The pipeline on a real database and a folder, told of pictures as uploads tell of them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET, UnsetType

from persistence.media.likeness import PostgresLikeness
from persistence.media.postgres import PostgresMedia
from persistence.objects.contract import Objects
from persistence.objects.local import LocalObjects
from persistence.pool import Pool, open_pool
from protocol.ids import UserId
from protocol.media import MEDIA, MediaId, MediaSettled
from server.media.moderation import BlockedPictures, Candidate
from server.media.pipeline import Pipeline
from server.media.steps import Processing
from server.media.workers import Confines
from server.uploads.assembling import piece_key
from server.uploads.progress import State

OWNER = UserId("8796093022209")
_numbers = itertools.count(8796093030000)


class Ground:
    """`told` is what the owner has heard, `judged` what moderation was asked about; of `broken` it fails."""

    def __init__(
        self,
        pool: Pool,
        folder: Path,
        workers: int = 1,
        objects: Objects | None = None,
        store: PostgresMedia | None = None,
    ) -> None:
        self.pool = pool
        self.objects = objects or LocalObjects(folder / "objects")
        self.cold = LocalObjects(folder / "elsewhere")
        self.store = store or PostgresMedia(pool)
        self.likeness = PostgresLikeness(pool)
        self.told: list[tuple[str, State, int | UnsetType]] = []
        self.judged: list[Candidate] = []
        self.broken: MediaId | None = None
        self._blocked = BlockedPictures(self.likeness)
        self.processing = Processing(
            self.store, self.likeness, self.objects, self.cold, self._moderate, self._tell, lambda: None
        )
        self.pipeline = Pipeline(self.store, self.processing, workers, Confines(512 << 20))

    async def _moderate(self, candidate: Candidate) -> bool:
        for key in candidate.variants:
            assert await self.objects.size(key)
        self.judged.append(candidate)
        if candidate.media == self.broken:
            raise ZeroDivisionError
        return await self._blocked.may(candidate)

    def _tell(self, owner: UserId, upload: str, state: State, percent: int | UnsetType = UNSET) -> None:
        assert owner == OWNER
        self.told.append((upload, state, percent))

    async def upload(self, data: bytes, *, cut: int = 2) -> MediaId:
        """A picture that came in so many pieces."""
        media = MediaId(str(next(_numbers)))
        for start, end in itertools.pairwise(sorted({len(data) * part // cut for part in range(cut + 1)})):
            await self.objects.put(piece_key(media, start, start + 1), data[start:end])
        await self.pool.execute(
            "insert into media (id, owner, bytes) values ($1, $2, $3)", int(media), int(OWNER), len(data)
        )
        self.pipeline.wake()
        return media

    async def row(self, media: str) -> asyncpg.Record:
        row = await self.pool.fetchrow("select * from media where id = $1", int(media))
        assert row is not None
        return row

    async def done(self, media: str) -> asyncpg.Record:
        """The row when nothing is left to be done for it."""
        async with asyncio.timeout(30):
            while (row := await self.row(media))["due_at"] is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return row

    async def settled(self) -> list[MediaSettled]:
        """The events."""
        bodies = await self.pool.fetch("select body from outbox where topic = $1 order by id", MEDIA)
        return [msgspec.msgpack.decode(row["body"], type=MediaSettled) for row in bodies]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[list[asyncio.Task[Any]]]:
        """What runs, each a task of its own."""
        works: list[asyncio.Task[Any]] = [asyncio.ensure_future(work) for work in self.pipeline.works()]
        try:
            yield works
        finally:
            for work in works:
                work.cancel()
            for work in works:
                with suppress(asyncio.CancelledError):
                    await work


@asynccontextmanager
async def grounded(database: str, folder: Path, workers: int = 1) -> AsyncIterator[Ground]:
    async with open_pool(database, 4) as pool:
        yield Ground(pool, folder, workers)
