"""A node's pipeline that kills itself at one point: before or after one of its steps is recorded, or within one.

python -m tests.server.media.dying DATABASE FOLDER POINT
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Collection, Sequence
from pathlib import Path

from persistence.media.postgres import Claimed, Outcome, PostgresMedia, Steps
from persistence.objects.contract import Content, Listed
from persistence.objects.local import LocalObjects
from persistence.pool import open_pool
from tests.server.media.ground import Ground

RECORDED = ("assembled", "type", "width", "thumbhash", "moderated", "settled", "finished")
POINTS = (
    *(f"{when} {what}" for what in RECORDED for when in ("before", "after")),
    "joined",
    "first variant",
    "fifth variant",
    "deleted",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingMedia(PostgresMedia):
    point = ""

    def _reached(self, when: str, what: str) -> None:
        if self.point == f"{when} {what}":
            die()

    async def record(self, job: Claimed, found: Steps, lease_ms: int) -> bool:
        what = [name for name in RECORDED[:5] if getattr(found, name)]
        for name in what:
            self._reached("before", name)
        done = await super().record(job, found, lease_ms)
        for name in what:
            self._reached("after", name)
        return done

    async def settle(self, job: Claimed, outcome: Outcome, lease_ms: int) -> bool:
        self._reached("before", "settled")
        done = await super().settle(job, outcome, lease_ms)
        self._reached("after", "settled")
        return done

    async def finish(self, job: Claimed) -> None:
        self._reached("before", "finished")
        await super().finish(job)
        self._reached("after", "finished")


class DyingObjects:
    """Those of a folder, up to a point."""

    def __init__(self, objects: LocalObjects, point: str) -> None:
        self._objects = objects
        self._point = point
        self._put = 0

    async def put(self, key: str, content: Content) -> None:
        await self._objects.put(key, content)
        self._put += 1
        if (self._point, self._put) in (("first variant", 1), ("fifth variant", 5)):
            die()

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        return self._objects.read(key, start, end)

    async def size(self, key: str) -> int | None:
        return await self._objects.size(key)

    async def listed(self, folder: str) -> list[Listed]:
        return await self._objects.listed(folder)

    async def delete(self, keys: Collection[str]) -> None:
        await self._objects.delete(keys)
        if self._point == "deleted":
            die()

    async def join(self, keys: Sequence[str], key: str) -> None:
        await self._objects.join(keys, key)
        if self._point == "joined":
            die()

    def presigned(self, key: str, within_s: int) -> str | None:
        return self._objects.presigned(key, within_s)


async def main(database: str, folder: str, point: str) -> None:
    DyingMedia.point = point
    async with open_pool(database, 2) as pool:
        objects = DyingObjects(LocalObjects(Path(folder) / "objects"), point)
        ground = Ground(pool, Path(folder), objects=objects, store=DyingMedia(pool))
        async with ground.running():
            await asyncio.sleep(30)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
