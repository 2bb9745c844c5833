"""A pool on a real database, a real Valkey, and the feed on both."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from redis.asyncio import Redis

from persistence.feed.lists import FeedLists
from persistence.feed.postgres import FeedStore
from persistence.feed.statements import FEED
from persistence.pool import Pool, open_pool
from persistence.posts.reading import read_posts
from persistence.redis import open_redis
from protocol.ids import Millis, UserId
from protocol.posts import Post, PostId
from server.embedded import EmbeddedValkey
from server.feed.candidates import Candidates
from server.feed.pages import Pages, Show
from server.feed.ranking import rank
from server.posts.showing import shown
from tests.server.feed.stage import People


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    data = tmp_path_factory.mktemp("valkey")
    server = EmbeddedValkey(data)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())
    shutil.rmtree(data)


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator["Redis"]:
    async with open_redis(valkey.url) as client:
        await client.flushall()
        yield client


@pytest.fixture
async def pool(module_database: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database, 4) as pool:
        yield pool


@pytest.fixture
def people(pool: Pool) -> People:
    return People(pool)


@pytest.fixture
def store(pool: Pool) -> FeedStore:
    return FeedStore(pool)


@pytest.fixture
def lists(redis: "Redis") -> FeedLists:
    return FeedLists(redis)


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def candidates(store: FeedStore, lists: FeedLists, clock: Clock) -> Candidates:
    return Candidates(store, lists, clock)


def show_from(pool: Pool) -> Show:
    async def show(user: UserId, ids: Sequence[PostId]) -> list[Post]:
        return [shown(user, one, lambda viewer, media: "{variant}") for one in await read_posts(pool, user, ids, FEED)]

    return show


@pytest.fixture
def pages(candidates: Candidates, store: FeedStore, lists: FeedLists, pool: Pool, clock: Clock) -> Pages:
    return Pages(candidates, store, lists, show_from(pool), rank, lambda: Millis(time.time_ns() // 1_000_000), clock)
