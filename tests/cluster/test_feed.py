"""Feeds and trays on two nodes while Redis is emptied and the storage of JetStream is deleted under load: right again
by themselves."""

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import nats
import pytest
from nats.js.errors import NotFoundError
from redis.asyncio import Redis

from config.settings import load
from persistence.subjects import STREAM
from protocol.ids import UserId
from protocol.posts import PostId
from tests.cluster.homes import Homes
from tests.server.feed.stage import People
from tests.server.running import Installation
from tests.server.wire import Wire, session
from tidings_client import Login, Stories, Tokens

POSTS = 40
STAR_FOLLOWERS = 10_050
WITHIN_S = 60.0
"""Also for what was on a stream that is gone, which counts as lost after a while."""


PICTURE = """
insert into media (id, owner, state, bytes, width, height, due_at)
values (next_id(0), $1, 'ready', 1, 640, 480, null) returning id"""


async def story(database: asyncpg.Connection, author: Login) -> str:
    """A story of a picture that is ready."""
    media = await database.fetchval(PICTURE, int(author.tokens.user))
    return (await Stories(author).post(str(media), cid=str(media))).id


async def has_all(wire: Wire, made: list[PostId]) -> bool:
    """All are on the pages, the newest first."""
    found, before = list[str](), dict[str, str]()
    while True:
        page = await wire.ok("feed.page", limit=15, **before)
        found += [post["id"] for post in page["items"]]
        if "next" not in page:
            return found == made[::-1]
        before = {"before": page["next"]}


@pytest.mark.verify
async def test_feeds_and_trays_are_right_again_after_a_flush_and_without_the_storage_of_jetstream(
    tmp_path: Path,
) -> None:
    # A machine that is busy has these pages read often until they are right.
    granted = {"GATEWAY__REQUESTS_PER_S": 5_000, "GATEWAY__BURST": 10_000}
    installation = await asyncio.to_thread(Installation(tmp_path, granted, nodes=2).start)
    settings = load(installation.data / "tidings.toml", {})
    database = await asyncpg.connect(str(settings.postgres.url))
    try:
        homes = await asyncio.to_thread(Homes, installation)
        people, (friend, star) = People(database), await asyncio.to_thread(installation.mint, 2, "author")
        await database.execute(
            "insert into follow (follower, followee) select n, $1 from generate_series(1, $2::int) n",
            int(star["user"]),
            STAR_FOLLOWERS,
        )
        for reader in (homes.ada, homes.ben):
            await people.follow(UserId(reader["user"]), UserId(friend["user"]), UserId(star["user"]))
        async with (
            session(homes.url(1), homes.ada["access_token"], snapshot=False) as (ada, _),
            session(homes.url(2), homes.ben["access_token"], snapshot=False) as (ben, _),
        ):
            made, stories = list[PostId](), list[str]()
            teller = Login(installation.url, Tokens(friend["user"], friend["access_token"], "", 900))
            for number in range(POSTS):
                author = UserId((friend if number % 2 else star)["user"])
                made.append(await people.post(author))
                await people.tell(made[-1], author)
                if number % 2:
                    stories.append(await story(database, teller))
                if number % 10 == 5:
                    async with Redis.from_url(str(settings.redis.url)) as redis:
                        await redis.flushall()
                if number % 10 == 8:
                    client = await nats.connect(str(settings.nats.url))
                    # It may not have been made again since the last time.
                    with suppress(NotFoundError):
                        await client.jetstream().delete_stream(STREAM)
                    await client.close()
                for wire in (ada, ben):
                    await wire.ok("feed.page", limit=5)
            async with asyncio.timeout(WITHIN_S):
                for wire in (ada, ben):
                    while not await has_all(wire, made):
                        pass
                    [entry] = (await wire.ok("story.tray"))["items"]
                    assert [one["id"] for one in entry["stories"]] == stories
    finally:
        await database.close()
        await asyncio.to_thread(installation.stop)
