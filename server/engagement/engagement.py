"""Engagement on one node, put together: what people do, what folds it, and who hears of it."""

from collections.abc import Coroutine
from functools import partial
from typing import Any, get_args

from persistence.engagement.marks import Deed, mark
from persistence.pool import Pool
from persistence.posts.reading import PostReader
from persistence.tallies.folding import fold
from protocol.engagement import CommentMarks, PostMarks
from protocol.ids import UserId
from server.engagement.folding import Folding
from server.engagement.grouping import Grouping
from server.engagement.watching import Watching
from server.observe import Metrics

Marks = PostMarks | CommentMarks


class Engagement:
    """`pool` and `posts` are for who asks for comments and lists."""

    def __init__(self, pool: Pool, posts: PostReader, watching: Watching) -> None:
        self.pool = pool
        self.posts = posts
        self.watching = watching
        self._folding = Folding(partial(fold, pool))
        deeds: tuple[Deed, ...] = get_args(Deed)
        self._deeds: dict[Deed, Grouping[tuple[UserId, str], Marks | None]] = {
            deed: Grouping(partial(mark, pool, deed)) for deed in deeds
        }

    async def mark(self, deed: Deed, user: UserId, thing: str) -> Marks | None:
        """Like, save, or take it back; None: `user` may not see it. Raises `UnavailableError`: it may have happened."""
        return await self._deeds[deed].ask((user, thing))

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run, each until cancelled."""
        return [self._folding.run(), self.watching.run(), *(grouping.run() for grouping in self._deeds.values())]

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        self._folding.expose(metrics)
        self.watching.expose(metrics)
