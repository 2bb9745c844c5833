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
"""Posts that are kept of one author."""
AUTHORS = 5_000
MERGED = 5_000
"""Places of all celebrities that one page looks at, or three of each, whichever is more."""


class _Known(NamedTuple):
    at: float
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
        if any(self._is_old(author) for author in authors):
            await self._read(authors)
        each = max(3, min(count, MERGED // len(authors)))
        found, deep = list[Source](), list[int]()
        for author in authors:
            places = self._known[author].places
            # Kept the newest first: found by the opposite order.
            start = bisect_left(places, (-place.at, -place.id), key=lambda one: (-one.at, -one.id))
            start += start < len(places) and places[start] == place
            if start == len(places) == MOST:
                deep.append(author)
                continue
            whole = len(places) < MOST and len(places) - start <= each
            found.append(Source(places[start : start + each], whole))
        if deep:
            older = await self._store.newest(deep, place, each)
            found += [Source(places, len(places) < each) for places in older.values()]
        return found

    def _is_old(self, author: int) -> bool:
        known = self._known.get(author)
        return known is None or self._now() - known.at >= KEPT_S

    async def _read(self, authors: Collection[int]) -> None:
        """One reading at a time: who waited finds what others have read."""
        async with self._reading:
            old = [author for author in authors if self._is_old(author)]
            if not old:
                return
            at = self._now()
            for author, places in (await self._store.newest(old, NEWEST, MOST)).items():
                self._known.pop(author, None)
                self._known[author] = _Known(at, places)
            over, needed = len(self._known) - AUTHORS - len(authors), set(authors)
            if over > 0:
                for author in [author for author in self._known if author not in needed][:over]:
                    del self._known[author]
