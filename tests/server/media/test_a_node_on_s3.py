"""All ways of a picture through a node that keeps its objects in S3, from the upload until nothing is left of it."""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import asyncpg
import pytest

from config.settings import load
from server.media.variants import archive_key, object_key, original_key
from server.uploads.assembling import pieces_of
from tests.s3_server import BUCKET, KEY, SECRET, SeaweedFS, s3_server
from tests.server.media.drawing import decoded, image, photo
from tests.server.running import Installation
from tidings_client import Login, Media, Posts, Tokens, Uploads
from tidings_client.posts import Post

pytestmark = pytest.mark.verify

CHUNK = 1 << 19
WITHIN_S = 40.0


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, s3: SeaweedFS) -> Iterator[Installation]:
    settings = {"URL": f"s3://{BUCKET}/node", "COLD_URL": f"s3://{BUCKET}/cold", "ENDPOINT": s3.url}
    settings |= {"KEY": KEY, "SECRET": SECRET}
    named = {f"OBJECTS__{name}": value for name, value in settings.items()}
    running = Installation(tmp_path_factory.mktemp("node"), named).start()
    yield running
    running.stop()


class Kept:
    """What lies in S3, as the node has it."""

    def __init__(self, s3: SeaweedFS) -> None:
        self._near, self._cold = s3.objects("node"), s3.objects("cold")

    async def original(self, media: str) -> bytes:
        """From where it is kept for good."""
        return b"".join([part async for part in self._cold.read(archive_key(media))])

    async def pieces(self, media: str) -> list[str]:
        """What an upload came in."""
        return [piece.key for piece in await self._near.listed(pieces_of(media))]

    async def keys(self, media: str) -> list[str]:
        """Everything that is of this picture."""
        shown = [one.key for one in await self._near.listed(f"media/{media}")]
        alone = (self._near, original_key(media)), (self._cold, archive_key(media))
        whole = [key for objects, key in alone if await objects.size(key) is not None]
        return await self.pieces(media) + shown + whole


@pytest.fixture
def kept(s3: SeaweedFS) -> Kept:
    return Kept(s3)


@pytest.fixture
async def session(node: Installation) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(node.url) as session:
        yield session


@pytest.fixture
async def database(node: Installation) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(str(load(node.data / "tidings.toml", {}).postgres.url))
    yield connection
    await connection.close()


@pytest.fixture
def login(node: Installation) -> Login:
    (person,) = node.mint(1, f"owner{time.monotonic_ns()}_")
    return Login(node.url, Tokens(person["user"], person["access_token"], person["refresh_token"], 900))


def drawn() -> bytes:
    """A picture of some pieces."""
    return bytes(image(photo(1_008, 756)).resize(4).jpegsave_buffer(Q=95))


async def put_direct(login: Login, session: aiohttp.ClientSession, data: bytes) -> str:
    """Upload it past the node; the id of the media."""
    made = await login.call("POST", "/v1/uploads/direct", {"cid": "d" * 22, "bytes": len(data)})
    async with session.put(made["url"], data=io.BytesIO(data)) as answer:
        assert answer.status == 200
    done: Any = await login.call("POST", f"/v1/uploads/{made['upload']}/complete")
    return str(done["media"])


async def once(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when it holds, which only S3 or the database knows."""
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def published(posts: Posts, id: str) -> Post:
    async def is_out() -> bool:
        return (await posts.get(id)).state == "published"

    await once(is_out)
    return await posts.get(id)


async def archived(database: asyncpg.Connection, media: str) -> None:
    """Return when nothing is left to be done for it."""

    async def done() -> bool:
        return await database.fetchval("select due_at from media where id = $1", int(media)) is None

    await once(done)


async def fetched(session: aiohttp.ClientSession, media: Media) -> bytes:
    async with session.get(media.url("640"), headers={"Accept": "image/webp"}) as answer:
        assert (answer.status, answer.content_type) == (200, "image/webp")
        return await answer.read()


async def test_pictures_come_in_by_pieces_and_directly_are_shown_and_leave_nothing(
    login: Login, session: aiohttp.ClientSession, kept: Kept, database: asyncpg.Connection
) -> None:
    data, posts = drawn(), Posts(login)
    medias = [await Uploads(login, chunk=CHUNK).upload(data), await put_direct(login, session, data)]
    post = await published(posts, (await posts.create(medias, caption="by two ways")).id)
    assert [one.id for one in post.media] == medias
    for one in post.media:
        assert decoded(await fetched(session, one)).shape == (480, 640, 3)
    for media in medias:
        await archived(database, media)
        assert await kept.original(media) == data
        assert object_key(media, "640", "webp") in await kept.keys(media)
    await posts.delete(post.id)
    # It was deleted a while ago, as far as the clearing is concerned.
    await database.execute("update post set deleted_at = deleted_at - interval '1 hour' where id = $1", int(post.id))

    async def nothing_left() -> bool:
        return [await kept.keys(media) for media in medias] == [[], []]

    await once(nothing_left)


async def test_an_upload_goes_on_where_it_was_when_the_node_is_killed(
    node: Installation, login: Login, session: aiohttp.ClientSession, kept: Kept, database: asyncpg.Connection
) -> None:
    data, posts = drawn(), Posts(login)
    killed, went_on = list[int](), list[int]()

    def kill(offset: int, length: int) -> None:
        if killed:
            went_on.append(offset)
        elif offset >= 2 * CHUNK:
            killed.append(offset)
            node.kill_node()

    assert len(data) > 4 * CHUNK
    media = await Uploads(login, chunk=CHUNK).upload(data, progress=kill)
    assert went_on[0] == killed[0]
    post = await published(posts, (await posts.create([media])).id)
    assert decoded(await fetched(session, post.media[0])).shape == (480, 640, 3)
    await archived(database, media)
    assert await kept.original(media) == data
    assert await kept.pieces(media) == []
