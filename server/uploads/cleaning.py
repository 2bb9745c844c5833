"""Removing what has expired: the pieces first, then the row that leads to them."""

import asyncio
from collections.abc import Sequence

from persistence.objects.contract import Objects
from persistence.uploads.postgres import PostgresUploads
from server.outage import Outage
from server.uploads.assembling import pieces_of

LOOK_S = 15.0
AT_A_TIME = 100


class Cleaning:
    """All nodes do it: whatever one has begun, another one may finish."""

    def __init__(self, objects: Objects, uploads: PostgresUploads) -> None:
        self._objects = objects
        self._uploads = uploads
        self._outage = Outage("expired uploads stay")
        self.removed = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            with self._outage.noted():
                while await self.clean():
                    pass

    async def clean(self) -> int:
        """Remove some that have expired; how many. Raises UnavailableError."""
        ids = await self._uploads.expired(AT_A_TIME)
        await self.remove(ids)
        return len(ids)

    async def remove(self, ids: Sequence[str]) -> None:
        """Those that have expired. Of a direct one the pieces alone, as long as something may be put to its URL. Raises
        UnavailableError."""
        for id in ids:
            await self._objects.delete([piece.key for piece in await self._objects.listed(pieces_of(id))])
        self.removed += await self._uploads.drop(ids)
