"""Watching: who shows a post hears when its totals change, read once for all of them, and when it is gone.

A watch is a row in a table of this node, by connection: actors know nothing of it, and what ends a connection ends it.
Nothing is told on a right that was not looked up just before. A socket that is behind, or in the background, is told
the latest when it takes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Protocol

from actors.effects import Address, connection_address, user_address
from actors.user_commands import PostGone
from persistence.engagement.counts import counts, counts_for, seen
from persistence.pool import Pool
from protocol.codec import Encoded
from protocol.counts import PostCount, PostCounts
from protocol.ids import UserId
from protocol.live import PostCounted, PostRemoved
from protocol.posts import PostId
from server.engagement.screens import Screen, Screens
from server.observe import Metrics
from server.outage import Outage

EVERY_S = 2.0
POSTS = 5_000
"""Read in one round; of more, each has its turn in one of the next."""
RECHECKED = 2_000
"""Pairs of a screen and a post that are looked up in a round though nothing is to be told."""
AT_ONCE = 500
"""Of one statement, and told without a pause."""

Pair = tuple[Screen, PostId]


class Taking(Protocol):
    """A connection, and whether live events are for it now."""

    @property
    def takes_live(self) -> bool: ...


class Watching:
    """`find` gives a connection that is open, `write` an event to connections, `tell` reaches the actor of a user here;
    `sheds`: there is too much to do."""

    def __init__(
        self,
        pool: Pool,
        find: Callable[[int], Taking | None],
        write: Callable[[tuple[Address, ...], Encoded], None],
        tell: Callable[[Address, PostGone], None],
        sheds: Callable[[], bool],
    ) -> None:
        self.told = 0
        self.screens = Screens()
        self._pool = pool
        self._find = find
        self._write = write
        self._tell_user = tell
        self._sheds = sheds
        self._outage = Outage("counts of posts on screen are not known")

    def watch(
        self, user: UserId, connection: int, posts: Collection[PostId]
    ) -> Callable[[], Awaitable[PostCounts]] | None:
        """From now on the connection shows these posts, of those that `user` may see. What is returned asks how they
        stand, and raises `UnavailableError`; None: there is no such connection."""
        if self._find(connection) is None:
            return None
        return partial(self._begin, self.screens.begin(user, connection), dict.fromkeys(posts))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            with self._outage.noted():
                await self.round()

    async def round(self) -> None:
        """Tell what has changed since the last one. Raises `UnavailableError`."""
        for screen in list(self.screens):
            if self._find(screen.connection) is None:
                self.screens.end(screen.connection)
        if not self.screens or self._sheds():
            return
        posts = self.screens.next_posts(POSTS)
        for start in range(0, len(posts), AT_ONCE):
            await self._look(posts[start : start + AT_ONCE])
        again = [(screen, post) for screen in self.screens.next_screens(RECHECKED) for post in screen.told]
        await self._tell(again, {})

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        metrics.gauges["tidings_post_watches"] = ("Posts on the screens of users here", lambda: self.screens.pairs)
        metrics.counters["tidings_post_counts_told"] = ("Counts of posts written to sockets", lambda: self.told)

    async def _begin(self, screen: Screen, posts: Collection[PostId]) -> PostCounts:
        found = await counts_for(self._pool, screen.user, posts)
        self.screens.show(screen, found)
        return PostCounts(tuple(found))

    async def _look(self, posts: Collection[PostId]) -> None:
        found = await counts(self._pool, posts)
        changed = {post: count for post, (count, _) in found.items()}
        pairs = list[Pair]()
        for post in posts:
            count, published = found.get(post, (None, False))
            for screen in self.screens.showing(post):
                if not published or (screen.told[post] != count and self._takes(screen)):
                    pairs.append((screen, post))
        await self._tell(pairs, changed)

    def _takes(self, screen: Screen) -> bool:
        connection = self._find(screen.connection)
        return connection is not None and connection.takes_live

    async def _tell(self, pairs: list[Pair], changed: dict[PostId, PostCount]) -> None:
        """Tell these screens the counts that have changed, or that the post is gone."""
        for start in range(0, len(pairs), AT_ONCE):
            some = pairs[start : start + AT_ONCE]
            visible = await seen(self._pool, [(screen.user, post) for screen, post in some])
            audiences: dict[PostCount, list[Address]] = {}
            for place, (screen, post) in enumerate(some):
                if place not in visible:
                    self._removed(screen, post)
                elif (count := changed.get(post)) and screen.told.get(post, count) != count and self._takes(screen):
                    screen.told[post] = count
                    audiences.setdefault(count, []).append(connection_address(screen.connection))
            for count, audience in audiences.items():
                self.told += len(audience)
                self._write(tuple(audience), Encoded(PostCounted(count.post, count.likes, count.comments)))

    def _removed(self, screen: Screen, post: PostId) -> None:
        """Also told to who is behind: it is told once. Who is in the background reads anew when they come back.

        By the user's actor, which has what waits for the socket: that the post is new may be among it."""
        if self.screens.remove(screen, post):
            self._tell_user(user_address(screen.user), PostGone(Encoded(PostRemoved(post)), screen.connection))
