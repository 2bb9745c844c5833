"""The newest posts of celebrities, which readers merge: each node reads those of one author once a second at most."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Collection
from typing import NamedTuple

from persistence.feed.places import NEWEST, Place
from persistence.feed.postgres import FeedStore
from server.feed.merging import Source

KEPT_S = 1.0
MOST = 50
"""Posts that are read and kept of one author."""
AUTHORS = 5_000
MERGED = 5_000
"""Places of all celebrities that are read for one page, or three of each, whichever is more: of 500 authors 50 each
took the node 16 to 70 ms."""


class _Known(NamedTuple):
    """`most` were asked for: with fewer there are no others."""

    at: float
    most: int
    places: list[Place]


class CelebrityPosts:
    """`now` is monotonic seconds."""

    def __init__(self, store: FeedStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._known: dict[int, _Known] = {}
        self._reading = asyncio.Lock()

    async def before(self, authors: Collection[int], place: Place, count: int) -> list[Source]:
        """Posts of each before the place, about as many as a page of so many needs. Raises `UnavailableError`."""
        if not authors:
            return []
        room = max(3, MERGED // len(authors))
        each, most = min(count, room), min(MOST, room)
        if any(self._is_old(author, most) for author in authors):
            await self._read(authors, most)
        found, deep = list[Source](), list[int]()
        for author in authors:
            _, known, places = self._known[author]
            # Kept the newest first: found by the opposite order.
            start = bisect_left(places, (-place.at, -place.id), key=lambda one: (-one.at, -one.id))
            start += start < len(places) and places[start] == place
            if start == len(places) == known:
                deep.append(author)
                continue
            whole = len(places) < known and len(places) - start <= each
            found.append(Source(places[start : start + each], whole))
        if deep:
            older = await self._store.newest(deep, place, each)
            found += [Source(places, len(places) < each) for places in older.values()]
        return found

    def _is_old(self, author: int, most: int) -> bool:
        known = self._known.get(author)
        return known is None or known.most < most or self._now() - known.at >= KEPT_S

    async def _read(self, authors: Collection[int], most: int) -> None:
        """One reading at a time: who waited finds what others have read."""
        async with self._reading:
            old = [author for author in authors if self._is_old(author, most)]
            if not old:
                return
            at = self._now()
            for author, places in (await self._store.newest(old, NEWEST, most)).items():
                self._known.pop(author, None)
                self._known[author] = _Known(at, most, places)
            over, needed = len(self._known) - AUTHORS - len(authors), set(authors)
            if over > 0:
                for author in [author for author in self._known if author not in needed][:over]:
                    del self._known[author]
