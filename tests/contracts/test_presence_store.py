"""How users stand: the contract, on a real Valkey and in memory."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from persistence.presence.contract import News, PresenceStore, Record
from persistence.presence.memory import MemoryPresence, Shelf
from persistence.presence.redis import RedisPresence
from persistence.redis import open_redis
from protocol.ids import ConversationId, Millis, UserId
from server.embedded import EmbeddedValkey

NOW = Millis(1_795_219_200_000)
ADA, BOB = UserId("7"), UserId("8")
_names = itertools.count()


@pytest.fixture(params=["memory", "valkey"])
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PresenceStore]:
    """Valkey is waited for longer than a node would, where it has to share the machine."""
    monkeypatch.setattr("persistence.presence.redis.WITHIN_S", 5.0)
    if request.param == "memory":
        yield MemoryPresence(Shelf(lambda: NOW))
        return
    server = EmbeddedValkey(tmp_path_factory.mktemp("valkey"))
    async with open_redis(await server.start()) as client:
        yield RedisPresence(client)
    await server.stop()


async def test_what_was_written_last_is_read(store: PresenceStore) -> None:
    assert await store.read([ADA, BOB]) == [None, None]
    await store.write({ADA: Record("n", "online", NOW)})
    here = Record("n", "online", NOW, ConversationId("5"))
    await store.write({ADA: Record("n", "idle", NOW), BOB: here})
    assert await store.read([BOB, UserId("9"), ADA]) == [here, None, Record("n", "idle", NOW)]
    assert await store.read([]) == []


async def test_a_lease_that_was_never_held_or_was_lost_is_not_renewed(store: PresenceStore) -> None:
    assert await store.renew("n", News("n", 0), ["n", "m"]) == (False, set())
    await store.hold("n")
    assert await store.renew("n", News("n", 0), ["n", "m"]) == (True, {"n"})
    await store.hold("m")
    assert await store.renew("n", News("n", 0), ["n", "m"]) == (True, {"n", "m"})


async def test_whoever_listens_hears_all_news_in_order(store: PresenceStore) -> None:
    first = News("n", 1, ((ADA, Record("n", "online", NOW)),))
    second = News("n", 2, (), ((ADA, BOB), (BOB, None)))
    async with store.listening() as one, store.listening() as other:
        await store.write({ADA: Record("n", "online", NOW)}, first)
        await store.write({}, second)
        await store.renew("n", News("n", 2), ["n"])
        async with asyncio.timeout(5):
            for heard in (one, other):
                assert [await anext(heard) for _ in range(3)] == [first, second, News("n", 2)]
