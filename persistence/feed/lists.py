"""Candidate lists in Redis or Valkey: one sorted set for each user who has read their feed in the last 30 days.

A member is a place (`places.packed`), its score the time. On top, at infinity, stands one member more: `!` with the
`Marker`, without which the list does not count, or `?` with the token of whoever is rebuilding it. So an empty list
that was rebuilt differs from one that was lost; a fan-out adds to a list that is being rebuilt; and a list that was
dropped or lost meanwhile is not taken for whole: what is rebuilt is only stored where the token still stands.

The member on top ends with the life of the server that it was written to. One that has begun another life, or took
over from one that died, may have come back with lists as they were before: such a list does not count either.
"""

import asyncio
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from redis.asyncio import Redis

from persistence.faults import UnavailableError
from persistence.feed.places import NEWEST, Place, packed, unpacked
from persistence.redis import WITHIN_S, answering
from protocol.ids import UserId

LIST, RANKED = "tidings:feed:", "tidings:feed:ranked:"
MOST = 500
KEPT_S = 30 * 86_400
REBUILT_WITHIN_S = 10
RANKED_S = 900
ORDERS = 4
"""Ranked orders that are kept of one user, the latest: who begins anew again and again costs no more."""
AT_ONCE = 500
"""Lists that one call of a script adds to: Redis does nothing else meanwhile, for about a millisecond."""

# 8 µs of the server's time. Who may not ask for it goes without.
_LIFE = """
local said = redis.pcall('info', 'server')
local life = type(said) == 'string' and said:match('run_id:(%x+)') or '-'"""
# Three commands in one pipeline cost a node 0.13 ms, this 0.045: its client reads two strings instead of fifty.
_READ = f"""{_LIFE}
local top = redis.call('zrange', KEYS[1], 0, 0, 'rev')[1]
if not top or top:sub(1, 1) ~= '!' or top:sub(-#life) ~= life then return false end
redis.call('expire', KEYS[1], ARGV[3], 'gt')
local members = redis.call('zrange', KEYS[1], ARGV[1], 0, 'rev', 'byscore', 'limit', 0, ARGV[2])
return {{top:sub(2, -#life - 1), table.concat(members), redis.call('zcard', KEYS[1])}}"""
_ADD = """
for _, key in ipairs(KEYS) do
  if redis.call('exists', key) == 1 then
    redis.call('zadd', key, ARGV[1], ARGV[2])
    local over = redis.call('zcard', key) - tonumber(ARGV[3])
    if over > 0 then redis.call('zremrangebyrank', key, 0, over - 1) end
  end
end"""
_BEGIN = f"""{_LIFE}
redis.call('del', KEYS[1])
redis.call('zadd', KEYS[1], '+inf', ARGV[1] .. life)
redis.call('expire', KEYS[1], ARGV[2])"""
_STORE = f"""{_LIFE}
if redis.call('zrem', KEYS[1], ARGV[1] .. life) == 0 then return 0 end
redis.call('zadd', KEYS[1], '+inf', ARGV[2] .. life)
for n = 5, #ARGV, 2 do redis.call('zadd', KEYS[1], ARGV[n], ARGV[n + 1]) end
local over = redis.call('zcard', KEYS[1]) - tonumber(ARGV[3])
if over > 0 then redis.call('zremrangebyrank', KEYS[1], 0, over - 1) end
redis.call('expire', KEYS[1], ARGV[4])
return 1"""
_MARK = f"""{_LIFE}
if redis.call('zrem', KEYS[1], ARGV[1] .. life) == 1 then redis.call('zadd', KEYS[1], '+inf', ARGV[2] .. life) end"""


class Edges(NamedTuple):
    """The newest edge to somebody whom a user follows, in microseconds, and how many there are near it. What is greater
    has an edge that the other lacks."""

    newest: int
    near: int


class Standing(NamedTuple):
    """What edges a user has to those they follow, and the version of the celebrities."""

    edges: Edges
    version: int


class Marker(Struct, frozen=True, gc=False, array_like=True):
    """What a list was built from: the newest edge to somebody its owner follows, in microseconds, the version of the
    celebrities that it heeds, those of them whom the owner follows or is, how many edges there are near the newest, and
    whether there were no older posts than those that it was given."""

    newest: int
    version: int
    celebrities: tuple[int, ...]
    near: int = 0
    whole: bool = True

    @property
    def edges(self) -> Edges:
        """What the list knows of its owner's edges."""
        return Edges(self.newest, self.near)

    def heeds(self, standing: Standing) -> bool:
        """Nothing has changed since."""
        return self.edges >= standing.edges and self.version >= standing.version


class Listed(Struct, frozen=True):
    """Places before the one asked for, the newest first. `whole`: the list has no others. `cut`: it has not, but as
    many as it may have, or was given of an author; which older ones there are only Postgres knows."""

    marker: Marker
    places: list[Place]
    whole: bool
    cut: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Marker).decode


class FeedLists:
    """Every method raises `UnavailableError`."""

    def __init__(self, client: "Redis") -> None:
        self._client = client

    async def read(self, user: UserId, before: Place, count: int) -> Listed | None:
        """So many places; a list that is read is kept for another 30 days. None: there is no list that counts."""
        asked = min(before.at, NEWEST.at), count + 1, KEPT_S
        read = await self._run(self._client.eval(_READ, 1, LIST + user, *asked))
        if read is None:
            return None
        mark, members, kept = read
        with answering():
            marker = _decode(mark)
        try:
            places = unpacked(members)
        except struct.error as fault:
            raise UnavailableError(f"a feed list cannot be read: {fault}") from fault
        found = [place for place in places[:count] if place < before]
        whole = len(places) <= count
        return Listed(marker, found, whole, cut=whole and (kept > MOST or not marker.whole))

    async def add(self, place: Place, users: Sequence[UserId]) -> None:
        """The post is a candidate of these, as far as they have a list; a repeat changes nothing."""
        pipeline = self._client.pipeline(transaction=False)
        for start in range(0, len(users), AT_ONCE):
            keys = [LIST + user for user in users[start : start + AT_ONCE]]
            pipeline.eval(_ADD, len(keys), *keys, place.at, packed(place), MOST + 1)
        await self._run(pipeline.execute())

    async def begin(self, user: UserId, token: str) -> None:
        """From now on what is published is added to a list that `store` completes."""
        await self._run(self._client.eval(_BEGIN, 1, LIST + user, "?" + token, REBUILT_WITHIN_S))

    async def store(self, user: UserId, token: str, marker: Marker, places: Sequence[Place]) -> bool:
        """The list that was begun with this token; False: it was dropped or lost, or somebody else began anew."""
        members = [part for place in places for part in (place.at, packed(place))]
        arguments = ["?" + token, b"!" + _encode(marker), MOST + 1, KEPT_S, *members]
        return bool(await self._run(self._client.eval(_STORE, 1, LIST + user, *arguments)))

    async def mark(self, user: UserId, old: Marker, new: Marker) -> None:
        """The list heeds other celebrities, if it is still the one with the old marker."""
        marks = b"!" + _encode(old), b"!" + _encode(new)
        await self._run(self._client.eval(_MARK, 1, LIST + user, *marks))

    async def drop(self, users: Sequence[UserId]) -> None:
        """The next reading rebuilds."""
        await self._run(self._client.delete(*[LIST + user for user in users]))

    async def keep_order(self, user: UserId, token: str, places: Sequence[Place]) -> None:
        """An order to be paged through under this token, for a quarter of an hour."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.lpush(RANKED + user, token.encode() + b"".join(map(packed, places)))
        pipeline.ltrim(RANKED + user, 0, ORDERS - 1)
        pipeline.expire(RANKED + user, RANKED_S)
        await self._run(pipeline.execute())

    async def order(self, user: UserId, token: str) -> list[Place] | None:
        """What was kept; None when it is gone."""
        kept: list[bytes] = await self._run(self._client.lrange(RANKED + user, 0, -1))
        data = next((one for one in kept if one.startswith(token.encode())), None)
        try:
            return None if data is None else unpacked(data[len(token) :])
        except struct.error as fault:
            raise UnavailableError(f"an order cannot be read: {fault}") from fault

    async def _run(self, asking: Any) -> Any:
        with answering():
            async with asyncio.timeout(WITHIN_S):
                return await asking
