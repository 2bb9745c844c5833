"""What people show each other on one life of a node: posts, stories and their pictures, wired together."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from actors.user import User
from config.objects import Objects as Kept
from config.settings import Settings
from persistence.engagement import clearing as comments
from persistence.feed.lists import FeedLists
from persistence.feed.postgres import FeedStore
from persistence.media import unused
from persistence.media.likeness import PostgresLikeness
from persistence.media.postgres import PostgresMedia
from persistence.objects.contract import Objects
from persistence.objects.opening import open_objects
from persistence.outbox.postgres import PostgresOutbox
from persistence.pool import Pool
from persistence.posts import clearing as posts
from persistence.posts.reading import PostReader
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from persistence.uploads.postgres import PostgresUploads
from protocol.ids import Millis, UserId
from protocol.media import MEDIA
from protocol.posts import POST
from server.clearing import Clearing
from server.cluster.cluster import Cluster
from server.engagement.engagement import Engagement
from server.engagement.watching import Watching
from server.feed.feed import Feed
from server.gateway import Gateway
from server.load import Sheds
from server.media.addresses import MediaAddresses
from server.media.moderation import BlockedPictures
from server.media.pictures import Pictures
from server.media.pipeline import Pipeline
from server.media.steps import Processing
from server.media.workers import Confines
from server.observe import Metrics
from server.outbox.consumer import Handler
from server.pools import Pools
from server.posts.posting import Posting
from server.posts.publishing import Publishing
from server.posts.sharing import seen_share
from server.stories.answering import Open
from server.stories.stories import Stories
from server.uploads.progress import Progress
from server.uploads.uploads import Uploads


class Content:
    """`handlers` are those of the outbox. `user` finds an actor here, `users` has all, `open` the conversation of two
    people; `clock` is milliseconds since 1970, `monotonic` seconds. `hastened` is set when an event was written that
    people wait for."""

    def __init__(
        self,
        settings: Settings,
        pools: Pools,
        cluster: Cluster,
        gateway: Gateway,
        user: Callable[[UserId], User | None],
        users: Callable[[], list[User]],
        open: Open,
        clock: Callable[[], Millis],
        monotonic: Callable[[], float],
    ) -> None:
        pool, router, load = pools.questions, cluster.router, gateway.load
        self.hastened = asyncio.Event()
        hasten = self.hastened.set
        addresses = MediaAddresses(settings.tokens.secrets, clock)
        self._make_pictures(settings, pool, cluster, addresses, monotonic)
        self._make_clearings(settings, pool)
        reader = PostReader(pool, addresses.url)
        watching = Watching(pool, gateway.find, gateway.write, router.tell, lambda: load.sheds >= Sheds.PRESENCE)
        self.engagement = Engagement(pool, reader, watching)
        self.posting = Posting(pool, reader, hasten)
        self.sees = partial(seen_share, pool)
        lists = FeedLists(pools.redis) if pools.redis else None
        celebrated = settings.feed.fanout_followers
        store = FeedStore(pool, reader)
        self.feed = Feed(store, lists, router, load, gateway, user, users, celebrated, clock, monotonic)
        moving = PostgresMovingStories(pool, lambda: cluster.membership.held)
        stories, outbox = PostgresStories(pool), PostgresOutbox(pools.outbox)
        self.stories = Stories(stories, moving, outbox, addresses, router.deliver, open, hasten, celebrated)
        self.handlers: Mapping[str, tuple[str, Handler]] = {
            "feed": (POST, self.feed.fanning),
            "publishing": (MEDIA, Publishing(pool, hasten).settled),
            **self.stories.handlers,
        }

    def _make_pictures(
        self,
        settings: Settings,
        pool: Pool,
        cluster: Cluster,
        addresses: MediaAddresses,
        monotonic: Callable[[], float],
    ) -> None:
        """How files come in, what is made of them, and who is shown it."""
        media, likeness = PostgresMedia(pool, lambda: cluster.membership.held), PostgresLikeness(pool)
        objects, cold = _opened(settings.objects)
        progress = Progress(cluster.router.deliver, lambda: self._pipeline.wake())
        may = BlockedPictures(likeness).may
        processing = Processing(media, likeness, objects, cold, may, progress.tell, self.hastened.set)
        confines = Confines(settings.media.memory_bytes)
        self._pipeline = Pipeline(media, processing, settings.media.workers, confines)
        self.pictures = Pictures(addresses, media, objects)
        self.uploads = Uploads(objects, PostgresUploads(pool), progress, settings.uploads, monotonic)

    def _make_clearings(self, settings: Settings, pool: Pool) -> None:
        self._posts = Clearing(partial(posts.clear, pool), "deleted posts are not cleared away")
        self._comments = Clearing(partial(comments.clear, pool), "deleted comments are not cleared away")
        after_ms = 1_000 * settings.uploads.unused_s
        self._unused = Clearing(partial(unused.clear, pool, after_ms), "pictures that nothing shows stay")

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the node is a member."""
        return [
            *self.uploads.works(),
            *self._pipeline.works(),
            self._posts.run(),
            self._comments.run(),
            self._unused.run(),
            *self.engagement.works(),
            *self.feed.works(),
            *self.stories.works(),
        ]

    def drain(self) -> None:
        """Begin no picture more."""
        self._pipeline.drain()

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        for part in (self.uploads, self.engagement, self.feed, self.stories):
            part.expose(metrics)
        posts, comments, pictures = self._posts, self._comments, self._unused
        metrics.counters |= {
            "tidings_posts_cleared": ("Parts of deleted posts cleared away", lambda: posts.parts),
            "tidings_comments_cleared": ("Parts of deleted comments cleared away", lambda: comments.parts),
            "tidings_unused_pictures_cleared": ("Parts of unused pictures cleared away", lambda: pictures.parts),
        }
        metrics.families.append(self._pipeline.figures.collect)


def _opened(kept: Kept) -> tuple[Objects, Objects]:
    """Where objects are kept, and where originals go, which may be the same."""
    account = (str(kept.endpoint), str(kept.region), str(kept.key), str(kept.secret))
    objects = open_objects(str(kept.url), *account)
    return objects, open_objects(str(kept.cold_url), *account) if kept.cold_url else objects
