"""Pages of the feed: the newest first, or ranked; without repeats, whatever is published meanwhile.

A cursor of the newest is the place of the last post that was looked at. One of a ranked feed names the order that was
made for its first page, how far one is in it, and the oldest place that it ranked: after it, or when the order is gone,
the feed goes on below that place with the newest first.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import NamedTuple

import structlog
from msgspec import UNSET

from persistence.cursors import cursor, read_cursor
from persistence.faults import UnavailableError
from persistence.feed.lists import FeedLists, Standing
from persistence.feed.places import NEWEST, Place
from persistence.feed.postgres import Features, FeedStore
from protocol.codec import JSON
from protocol.errors import Refusal
from protocol.ids import Millis, UserId
from protocol.posts import Post, Posts
from protocol.requests import GetFeed
from server.feed.candidates import Candidates
from server.feed.merging import Source
from server.feed.patience import Patience
from server.feed.ranking import Candidate, Rank
from server.refusals import NO_CURSOR

WINDOW = 150
"""The newest candidates, which are ranked."""
DEADLINE_S = 0.05
PAUSE_S = 1.0
"""After the ranker was too late nobody is ranked for so long: what is late already is not made later."""
ROUNDS = 8
"""How often more candidates are looked at when there are posts among them that are not shown."""
MORE = 2
"""Candidates that are read beyond those needed: mostly all are shown, now and then one is not. In each further round
of a page twice as many are, up to `DEEP`: somebody whom one mutes, or follows no more, may have posted most of them."""
DEEP = 200
PAGE_BYTES = 200 * 1024

_RANKED = re.compile(r"([0-9a-f]{16})-([0-9]{1,3})-(.+)", re.ASCII)

log = structlog.get_logger()


class _Ranked(NamedTuple):
    token: str
    offset: int
    floor: Place


class Pages:
    """`clock` is milliseconds since 1970, `now` monotonic seconds. `fallbacks` counts ranked pages that had to be in
    the order of time. Ranking needs `run`."""

    def __init__(
        self,
        candidates: Candidates,
        store: FeedStore,
        lists: FeedLists | None,
        rank: Rank,
        clock: Callable[[], Millis],
        now: Callable[[], float],
    ) -> None:
        self.fallbacks = 0
        self._candidates = candidates
        self._store = store
        self._lists = lists
        self._rank = rank
        self._clock = clock
        self._now = now
        self._ranks_from = 0.0
        self._patience = Patience[dict[int, Features]]()
        self.run = self._patience.run

    async def page(self, user: UserId, request: GetFeed) -> Posts | Refusal:
        """Raises `UnavailableError`."""
        limit = request.limit
        if request.before is UNSET:
            return await (self._ranked if request.mode == "ranked" else self._latest)(user, NEWEST, limit)
        before = _read_cursor(request.before)
        if isinstance(before, _Ranked):
            return await self._go_on(user, before, limit)
        return NO_CURSOR if before is None else await self._latest(user, before, limit)

    # -- the newest first -------------------------------------------------------------------------------------------

    async def _latest(self, user: UserId, before: Place, limit: int) -> Posts:
        page = _Page(limit)
        for past in range(ROUNDS):
            source, posts = await self._read(user, before, min(DEEP, page.room + MORE << past))
            looked = page.fill(source.places, posts)
            if looked:
                before = looked[-1]
            if len(looked) == len(source.places) and source.whole:
                return Posts(page.items)
            if page.full or not looked:
                break
        return Posts(page.items, cursor(*before))

    async def _read(self, user: UserId, before: Place, count: int) -> tuple[Source, dict[int, Post]]:
        """So many candidates at most, and those of them that are shown.

        Mostly the list still heeds all: what it has to heed is read with the posts, and only when it does not both are
        read again.
        """
        found = await self._candidates.before(user, before, count)
        posts, standing = await self._posts(user, found.source.places[:count])
        if not found.marker.heeds(standing):
            found = await self._candidates.before(user, before, count, standing)
            posts, _ = await self._posts(user, found.source.places[:count])
        places, whole = found.source
        return Source(places[:count], whole and len(places) <= count), posts

    async def _posts(self, user: UserId, places: Sequence[Place]) -> tuple[dict[int, Post], Standing]:
        return await self._store.posts(user, [place.id for place in places])

    # -- ranked -----------------------------------------------------------------------------------------------------

    async def _ranked(self, user: UserId, before: Place, limit: int) -> Posts:
        """The first page: the newest are ranked, and the order is kept for the pages after it."""
        if self._lists is None or self._now() < self._ranks_from:
            self.fallbacks += 1
            return await self._latest(user, before, limit)
        found = await self._candidates.before(user, before, WINDOW, await self._store.standing(user))
        places = found.source.places[:WINDOW]
        order, token = await self._ordered(user, places), token_hex(8)
        try:
            if order:
                await self._lists.keep_order(user, token, order)
        except UnavailableError:
            order, self._ranks_from = None, self._now() + PAUSE_S
        if not order:
            self.fallbacks += bool(places)
            return await self._latest(user, before, limit)
        return await self._walk(user, _Ranked(token, 0, places[-1]), order, limit)

    async def _ordered(self, user: UserId, places: Sequence[Place]) -> list[Place] | None:
        """None when it takes too long, or the ranker fails."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                known = await self._patience.read(lambda: self._store.features(user, [place.id for place in places]))
                given = ((place, known[place.id]) for place in places if place.id in known)
                candidates = [Candidate(p, f.author, f.likes, f.comments, f.affinity) for p, f in given]
                return [one.place for one in self._rank(candidates, self._clock() * 1_000)]
        except (TimeoutError, UnavailableError):
            self._ranks_from = self._now() + PAUSE_S
        except Exception:
            log.exception("the ranker failed")
        return None

    async def _go_on(self, user: UserId, ranked: _Ranked, limit: int) -> Posts:
        order: list[Place] | None = None
        if self._lists:
            with suppress(UnavailableError):
                order = await self._lists.order(user, ranked.token)
        if order is None:
            self.fallbacks += 1
            return await self._latest(user, ranked.floor, limit)
        return await self._walk(user, ranked, order, limit)

    async def _walk(self, user: UserId, ranked: _Ranked, order: Sequence[Place], limit: int) -> Posts:
        page, offset = _Page(limit), ranked.offset
        while offset < len(order) and not page.full:
            asked = order[offset : offset + page.room + MORE]
            looked = page.fill(asked, (await self._posts(user, asked))[0])
            offset += len(looked)
            if not looked:
                break
        after = ranked._replace(offset=offset)
        return Posts(page.items, _ranked_cursor(after) if offset < len(order) else cursor(*ranked.floor))


class _Page:
    """What is on a page so far."""

    def __init__(self, limit: int) -> None:
        self.items: list[Post] = []
        self.room = limit
        self._bytes = PAGE_BYTES

    @property
    def full(self) -> bool:
        return self.room <= 0

    def fill(self, places: Sequence[Place], posts: Mapping[int, Post]) -> Sequence[Place]:
        """Put those that are shown on the page while it has room; the places that were looked at."""
        for number, place in enumerate(places):
            post = posts.get(place.id)
            if post and not self._take(post):
                return places[:number]
        return places

    def _take(self, post: Post) -> bool:
        """Put it on the page; False: there is no room for it."""
        self._bytes -= len(JSON.encode(post))
        if self.full or (self._bytes < 0 and self.items):
            self.room = 0
            return False
        self.items.append(post)
        self.room -= 1
        return True


def _ranked_cursor(ranked: _Ranked) -> str:
    return f"{ranked.token}-{ranked.offset}-{cursor(*ranked.floor)}"


def _read_cursor(text: str) -> Place | _Ranked | None:
    ranked = _RANKED.fullmatch(text)
    try:
        place = Place(*read_cursor(ranked[3] if ranked else text))
    except ValueError:
        return None
    return _Ranked(ranked[1], int(ranked[2]), place) if ranked else place
