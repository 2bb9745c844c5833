"""Candidates: what may be in somebody's feed, in its order. What of it is shown, the reading of the posts decides.

    list in Redis ──────────────┐
       │ none, lost, or older   ├─► merged ─► places before the one asked for
       ▼ than a follow          │
    rebuilt from Postgres       │
       │ below its end          │
       ▼                        │
    older ones from Postgres    │
    newest posts of celebrities ┘

A list names the newest edges that it was built from and the version of the celebrities that it heeds. Both are looked
up with the posts of every page, by three looks at indexes: a follow, wherever and however it came about, and a
celebrity's rise or fall count from the next page on. Where they have changed, candidates are asked for again.
"""

import asyncio
from collections.abc import Callable
from secrets import token_hex
from typing import Literal, NamedTuple

import msgspec

from persistence.faults import UnavailableError
from persistence.feed.lists import Edges, FeedLists, Listed, Marker, Standing
from persistence.feed.places import NEWEST, Place
from persistence.feed.postgres import FeedStore, marker_of
from protocol.ids import UserId
from server.feed.celebrities import CelebrityPosts
from server.feed.merging import Source, merged
from server.outage import Outage

REBUILDS, TURN_WITHIN_S = 4, 1.0
"""Lists that a node rebuilds at once, and how long one waits for its turn: when all are lost at once, pages that need
no rebuilding go on, and those for which there is no room are refused for now."""
CHANGES = 1_000
NOW = 2**63
"""The version of what was read without a list: it heeds all."""


class Found(NamedTuple):
    """Candidates, and what they were found by."""

    source: Source
    marker: Marker


class Candidates:
    """Without `lists` everything is read from Postgres. `rebuilt` counts. `now` is monotonic seconds."""

    def __init__(self, store: FeedStore, lists: FeedLists | None, now: Callable[[], float]) -> None:
        self.rebuilt = self.straight = 0
        self._store = store
        self._lists = lists
        self._celebrities = CelebrityPosts(store, now)
        self._turns = asyncio.Semaphore(REBUILDS)
        self._flying: dict[UserId, asyncio.Future[Listed]] = {}
        self._outage = Outage("feeds are read from Postgres alone")

    async def before(self, user: UserId, place: Place, count: int, standing: Standing | None = None) -> Found:
        """The next places, about so many, heeding `standing`; without it, whatever the list heeds. Raises
        `UnavailableError`."""
        listed = await self._listed(user, place, count, standing)
        if listed.cut and not listed.places:
            listed = await self._read_straight(user, place, count)
        celebrities = await self._celebrities.before(listed.marker.celebrities, place, count)
        return Found(merged([Source(listed.places, listed.whole and not listed.cut), *celebrities]), listed.marker)

    async def _listed(self, user: UserId, place: Place, count: int, standing: Standing | None) -> Listed:
        lists = self._lists
        if lists is None:
            return await self._read_straight(user, place, count)
        listed = await self._read(lists, user, place, count)
        if listed == "unknown":
            return await self._read_straight(user, place, count)
        if listed and (standing is None or listed.marker.heeds(standing)):
            return listed
        edges, version = standing or await self._store.standing(user)
        if listed and listed.marker.edges >= edges and (heeding := await self._heed(lists, user, listed, version)):
            return heeding
        whole = await self._rebuild_once(lists, user, edges, version)
        places = [one for one in whole.places if one < place]
        is_end = len(places) <= count
        return Listed(whole.marker, places[:count], is_end, cut=is_end and not whole.whole)

    async def _read(
        self, lists: FeedLists, user: UserId, place: Place, count: int
    ) -> Listed | Literal["unknown"] | None:
        """None: there is no list; `unknown` while Redis is away."""
        try:
            listed = await lists.read(user, place, count)
        except UnavailableError as fault:
            self._outage.goes_on(fault)
            return "unknown"
        self._outage.is_over()
        return listed

    async def _heed(self, lists: FeedLists, user: UserId, listed: Listed, version: int) -> Listed | None:
        """The list as it is with other celebrities; None when one of them is none any more, whose posts it lacks."""
        changed = await self._store.changed(user, listed.marker.version)
        if len(changed) >= CHANGES or not all(changed.values()):
            return None
        celebrities = tuple({*listed.marker.celebrities, *changed})
        marker = msgspec.structs.replace(listed.marker, version=version, celebrities=celebrities)
        try:
            await lists.mark(user, listed.marker, marker)
        except UnavailableError as fault:
            self._outage.goes_on(fault)
        return msgspec.structs.replace(listed, marker=marker)

    async def _rebuild_once(self, lists: FeedLists, user: UserId, edges: Edges, version: int) -> Listed:
        """Of several who ask at once one does it; who asks for what began too early for them does it again."""
        flying = self._flying.get(user)
        if flying and (found := await asyncio.shield(flying)).marker.edges >= edges:
            return found
        flying = self._flying[user] = asyncio.get_running_loop().create_future()
        try:
            async with self._turn():
                found = await self._rebuild(lists, user, version)
        except BaseException as fault:
            flying.set_exception(UnavailableError(f"the feed could not be rebuilt: {fault!r}"))
            # Nobody else may be waiting for it.
            flying.exception()
            raise
        finally:
            if self._flying.get(user) is flying:
                del self._flying[user]
        flying.set_result(found)
        return found

    async def _rebuild(self, lists: FeedLists, user: UserId, version: int) -> Listed:
        """Redis hears of it first, so that nothing published meanwhile is missed."""
        token, stores = token_hex(8), True
        try:
            await lists.begin(user, token)
        except UnavailableError as fault:
            self._outage.goes_on(fault)
            stores = False
        followed = await self._store.followed(user)
        places, whole = await self._store.candidates(followed.ordinary)
        marker = marker_of(followed, version, whole=whole)
        try:
            if stores:
                await lists.store(user, token, marker, places)
        except UnavailableError as fault:
            self._outage.goes_on(fault)
        self.rebuilt += 1
        return Listed(marker, places, whole)

    async def _read_straight(self, user: UserId, place: Place, count: int) -> Listed:
        async with self._turn():
            followed = await self._store.followed(user, heard=True)
            places, whole = await self._store.older(followed.ordinary, min(place, NEWEST), count)
        self.straight += 1
        return Listed(marker_of(followed, NOW), places, whole)

    def _turn(self) -> "_Turn":
        return _Turn(self._turns)


class _Turn:
    """A turn of a semaphore, for which one waits so long. Raises `UnavailableError`."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(TURN_WITHIN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise UnavailableError("too many feeds are rebuilt at once") from None

    async def __aexit__(self, *error: object) -> None:
        self._turns.release()
