"""How users stand, in Redis or Valkey: a key for each user, one for each node's lease, one channel for news."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from redis.asyncio import Redis

from persistence.presence.contract import KEPT_S, LEASE_MS, News, Record
from persistence.redis import WITHIN_S, answering
from protocol.ids import UserId

CHANNEL = "tidings:presence"
USER, LEASE = CHANNEL + ":user:", CHANNEL + ":node:"

WRITE = """
for place, key in ipairs(KEYS) do redis.call('set', key, ARGV[place], 'ex', ARGV[#KEYS + 1]) end
if ARGV[#KEYS + 3] ~= '' then redis.call('publish', ARGV[#KEYS + 2], ARGV[#KEYS + 3]) end
"""
"""One command for a hundred records takes 2.4 µs of each; a command for each takes redis-py 10.6 µs."""

_encode = msgspec.msgpack.Encoder().encode
_record = msgspec.msgpack.Decoder(Record).decode
_news = msgspec.msgpack.Decoder(News).decode


class RedisPresence:
    """Keeps the contract `PresenceStore`."""

    def __init__(self, client: "Redis") -> None:
        self._client = client

    async def write(self, records: Mapping[UserId, Record], news: News | None = None) -> None:
        keys, values = [USER + user for user in records], map(_encode, records.values())
        told = _encode(news) if news else b""
        with answering():
            async with asyncio.timeout(WITHIN_S):
                await self._client.eval(WRITE, len(keys), *keys, *values, KEPT_S, CHANNEL, told)

    async def read(self, users: Sequence[UserId]) -> list[Record | None]:
        if not users:
            return []
        with answering():
            async with asyncio.timeout(WITHIN_S):
                found = await self._client.mget([USER + user for user in users])
            return [None if text is None else _record(text) for text in found]  # type: ignore[arg-type]

    async def hold(self, node: str) -> None:
        with answering():
            async with asyncio.timeout(WITHIN_S):
                await self._client.set(LEASE + node, b"", px=LEASE_MS)

    async def renew(self, node: str, news: News, nodes: Sequence[str]) -> tuple[bool, set[str]]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(LEASE + node, b"", px=LEASE_MS, xx=True)
        pipeline.mget([LEASE + other for other in nodes])
        pipeline.publish(CHANNEL, _encode(news))
        with answering():
            async with asyncio.timeout(WITHIN_S):
                held, leases, _ = await pipeline.execute()
        return bool(held), {other for other, lease in zip(nodes, leases, strict=True) if lease is not None}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[AsyncIterator[News]]:
        subscription = self._client.pubsub(ignore_subscribe_messages=False)
        try:
            with answering():
                async with asyncio.timeout(WITHIN_S):
                    await subscription.subscribe(CHANNEL)
                    await subscription.get_message(timeout=WITHIN_S)

            async def heard() -> AsyncIterator[News]:
                with answering():
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            yield _news(message["data"])

            yield heard()
        finally:
            await subscription.aclose()  # type: ignore[no-untyped-call]
