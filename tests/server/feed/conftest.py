"""A pool on a real database, a real Valkey, and the feed on both."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from persistence.feed import lists as lists_module
from persistence.feed.lists import FeedLists
from persistence.feed.postgres import FeedStore
from persistence.pool import Pool, open_pool
from persistence.posts.reading import PostReader
from persistence.redis import open_redis
from protocol.ids import Millis, UserId
from protocol.media import MediaId
from server.embedded import EmbeddedValkey
from server.feed.candidates import Candidates
from server.feed.pages import Pages
from server.feed.ranking import Rank, rank
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


def url(viewer: UserId, media: MediaId) -> str:
    """An address like any other."""
    return f"/v1/media/{media}/{{variant}}?viewer={viewer}"


@pytest.fixture
def store(pool: Pool) -> FeedStore:
    return FeedStore(pool, PostReader(pool, url))


@pytest.fixture
def lists(redis: "Redis", monkeypatch: pytest.MonkeyPatch) -> FeedLists:
    """Valkey is waited for: where it has to share the machine, feeds would be read from Postgres alone."""
    monkeypatch.setattr(lists_module, "WITHIN_S", 10.0)
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


@asynccontextmanager
async def serving(
    candidates: Candidates, store: FeedStore, lists: FeedLists | None, clock: Clock, rank: Rank = rank
) -> AsyncIterator[Pages]:
    """Pages that are given out, by this ranker."""
    pages = Pages(candidates, store, lists, rank, lambda: Millis(time.time_ns() // 1_000_000), clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(pages.run())
        yield pages
        running.cancel()


@pytest.fixture
async def pages(candidates: Candidates, store: FeedStore, lists: FeedLists, clock: Clock) -> AsyncIterator[Pages]:
    async with serving(candidates, store, lists, clock) as pages:
        yield pages
