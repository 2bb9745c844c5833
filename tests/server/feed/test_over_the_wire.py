"""The feed over real sockets and HTTP, on one node: posts reach followers live, and pages have them."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import msgspec
import pytest

from config.settings import load
from protocol.ids import UserId
from tests.server.feed.stage import People
from tests.server.running import Installation
from tests.server.wire import Map, Wire, session


@pytest.fixture(scope="module")
def minted(installation: Installation) -> list[dict[str, str]]:
    return installation.mint(12, "feed")


@pytest.fixture
async def database(installation: Installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(str(load(installation.data / "tidings.toml", {}).postgres.url))
    yield connection
    await connection.close()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def enter(installation: Installation, stack: AsyncExitStack, person: dict[str, str]) -> Wire:
    wire, _ = await stack.enter_async_context(session(installation.socket_url, person["access_token"], snapshot=False))
    await wire.until_synced()
    return wire


def over_http(installation: Installation, person: dict[str, str], path: str) -> Map:
    request = urllib.request.Request(
        installation.url + path, headers={"Authorization": f"Bearer {person['access_token']}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: Map = msgspec.json.decode(answer.read())
        return found


async def test_a_post_is_told_to_followers_and_is_on_their_page_over_the_socket_and_over_http(
    installation: Installation, database: asyncpg.Connection, stack: AsyncExitStack, minted: list[dict[str, str]]
) -> None:
    author, fan, stranger = minted[:3]
    stage = People(database)
    await stage.follow(UserId(fan["user"]), UserId(author["user"]))
    listening, deaf = await enter(installation, stack, fan), await enter(installation, stack, stranger)
    assert (await listening.ok("feed.page"))["items"] == []
    post = await stage.post(UserId(author["user"]), caption="hello")
    await stage.tell(post, UserId(author["user"]))
    told = await listening.event("feed.new")
    assert (told["author"], told["post"], told["preview"]["caption"]) == (author["user"], post, "hello")
    for mode in ("latest", "ranked"):
        page = await listening.ok("feed.page", mode=mode, limit=5)
        assert [item["id"] for item in page["items"]] == [post]
        found = await asyncio.to_thread(over_http, installation, fan, f"/v1/feed?mode={mode}&limit=5")
        assert [item["id"] for item in found["items"]] == [post]
    assert (await deaf.ok("feed.page"))["items"] == []
    assert await heard(deaf) == []
    assert (await listening.err("feed.page", before="nonsense"))["code"] == "bad_request"


async def test_a_post_of_a_celebrity_is_told_to_those_here_who_follow_them_then_and_who_want_to_know(
    installation: Installation, database: asyncpg.Connection, stack: AsyncExitStack, minted: list[dict[str, str]]
) -> None:
    author, fan, muting, later, stranger = minted[3:8]
    star, stage = UserId(author["user"]), People(database)
    await database.execute(
        "insert into follow (follower, followee) select n, $1 from generate_series(1, 10001) n", int(star)
    )
    for one in (fan, muting):
        await stage.follow(UserId(one["user"]), star)
    await stage.relate(UserId(muting["user"]), "mute", star)
    wires = [await enter(installation, stack, one) for one in (fan, muting, later, stranger)]

    async def posted() -> str:
        post = await stage.post(star)
        await stage.tell(post, star)
        assert (await wires[0].event("feed.new"))["post"] == post
        return post

    first = await posted()
    request = urllib.request.Request(
        f"{installation.url}/v1/users/{star}/follow",
        method="PUT",
        headers={"Authorization": f"Bearer {later['access_token']}"},
    )
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
    second = await posted()
    assert (await wires[2].event("feed.new"))["post"] == second
    await stage.unfollow(UserId(fan["user"]), star)
    await stage.follow(UserId(stranger["user"]), star)
    third = await stage.post(star)
    await stage.tell(third, star)
    assert (await wires[2].event("feed.new"))["post"] == third
    assert [item["id"] for item in (await wires[2].ok("feed.page"))["items"]] == [third, second, first]
    assert (await wires[1].ok("feed.page"))["items"] == []
    assert await heard(wires[0]) == []
    assert await heard(wires[1]) == []


async def heard(wire: Wire) -> list[str]:
    """The events that came before the answer to one more question, but pings."""
    await wire.ok("feed.page")
    return [event["ev"] for event in wire.taken() if event["ev"] != "ping"]
