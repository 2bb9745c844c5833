"""The connection to Redis or Valkey, which holds what can be rebuilt, and how its absence is told."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from persistence.faults import UnavailableError

WITHIN_S = 0.2
"""How long one call may take: `asyncio.timeout(WITHIN_S)` goes around it."""


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator["Redis"]:
    """Connects when it is first asked something. Raises ValueError for a URL that cannot be read."""
    client = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=WITHIN_S, retry=Retry(NoBackoff(), 0))
    try:
        yield client
    finally:
        # What still hangs on a Redis that stands still is not waited for.
        await client.aclose()


@contextmanager
def answering() -> Iterator[None]:
    """Whatever goes wrong with Redis, or cannot be read of what it holds, raises `UnavailableError`."""
    try:
        yield
    except (RedisError, OSError, TimeoutError, msgspec.MsgspecError) as fault:
        raise UnavailableError(f"Redis did not answer: {fault!r}") from fault
