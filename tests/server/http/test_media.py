"""Pictures over HTTP: for whom an address was made, until when, as long as they may see it; all else is 404 alike."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse

from persistence.media.postgres import PostgresMedia
from persistence.objects.local import LocalObjects
from persistence.pool import Pool, open_pool
from protocol.ids import Millis
from server.http.rates import Rate, Rates
from server.media.addresses import MediaAddresses
from server.media.pictures import Pictures
from server.media.variants import FORMATS, kept, object_key
from tests.server.http.stack import KEY, ORIGIN, Client, Stack
from tests.until import until
from tidings_client import Refused, picture

OWNER, FOLLOWER, STRANGER, MEDIA, OTHER, POST, STORY = (str((1 << 40) + n) for n in range(7))
WEBP = "image/avif,image/webp,*/*;q=0.8"


class Shown:
    """Pictures that are there, and what somebody gets who asks for one."""

    def __init__(self, client: Client, pool: Pool, addresses: MediaAddresses, objects: LocalObjects) -> None:
        self.client = client
        self.pool = pool
        self.addresses = addresses
        self.objects = objects

    def url(self, viewer: str, variant: str = "640", until: Millis | None = None, media: str = MEDIA) -> str:
        return self.addresses.url(viewer, media, until).replace("{variant}", variant)

    async def get(self, url: str, method: str = "GET", **headers: str) -> tuple[ClientResponse, bytes]:
        async with self.client.request(method, url, headers=headers) as response:
            return response, await response.read()

    async def status(self, url: str) -> int:
        return (await self.get(url))[0].status

    async def now(self) -> int:
        found: int = await self.pool.fetchval("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        return found


@pytest.fixture
async def shown(database: str, tmp_path: Path, stack: Stack) -> AsyncIterator[Shown]:
    objects = LocalObjects(tmp_path)
    async with open_pool(database, 3) as pool:
        stack.now_s = float(await pool.fetchval("select extract(epoch from statement_timestamp())"))
        addresses = MediaAddresses([KEY], stack.clock)
        stack.change("contents", pictures=Pictures(addresses, PostgresMedia(pool), objects))
        await fill(pool, objects)
        async with stack.served() as client:
            yield Shown(client, pool, addresses, objects)


async def fill(pool: Pool, objects: LocalObjects) -> None:
    """A private author with a picture in a post, and somebody who follows."""
    people = [(int(id), f"name{id}", id == OWNER) for id in (OWNER, FOLLOWER, STRANGER)]
    for person in people:
        await pool.execute("insert into account (id, username, private) values ($1, $2, $3)", *person)
    await pool.execute(
        "insert into follow (follower, followee, requested) values ($1, $2, false)", int(FOLLOWER), int(OWNER)
    )
    for media in (MEDIA, OTHER):
        await pool.execute(
            "insert into media (id, owner, state, bytes, width, height) values ($1, $2, 'ready', 9, 900, 600)",
            int(media),
            int(OWNER),
        )
        for name in kept(900):
            for format in FORMATS:
                await objects.put(object_key(media, name, format), f"{media} {name} {format}".encode())
    await pool.execute(
        "insert into post (id, author, cid, digest, state) values ($1, $2, 'a', '', 'published')", int(POST), int(OWNER)
    )
    await pool.execute("insert into post_media (post, n, media) values ($1, 1, $2)", int(POST), int(MEDIA))


async def test_a_picture_is_shown_to_whom_its_address_was_made_for(shown: Shown) -> None:
    response, body = await shown.get(shown.url(FOLLOWER), Accept=WEBP)
    assert (response.status, response.content_type, body) == (200, "image/webp", f"{MEDIA} 640 webp".encode())
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "inline"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Vary"] == "Origin, Accept"
    response, _ = await shown.get(shown.url(FOLLOWER), Origin=ORIGIN)
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    kind, immutable, age = response.headers["Cache-Control"].split(", ")
    assert (kind, immutable) == ("private", "immutable")
    assert 86_000 < int(age.removeprefix("max-age=")) < 2 * 86_400
    for variant, name in (("2048", "1080"), ("1080", "1080"), ("150", "150"), ("320", "320")):
        _, body = await shown.get(shown.url(FOLLOWER, variant))
        assert body == f"{MEDIA} {name} jpg".encode()


@pytest.mark.parametrize(
    ("accepted", "type"),
    [("*/*", "jpeg"), ("image/webp;q=0, */*", "jpeg"), ("", "jpeg"), ("image/*", "jpeg"), ("IMAGE/WEBP", "webp")],
)
async def test_webp_is_for_whoever_names_it(shown: Shown, accepted: str, type: str) -> None:
    response, _ = await shown.get(shown.url(OWNER), Accept=accepted)
    assert response.content_type == f"image/{type}"


async def test_parts_of_a_picture_can_be_had(shown: Shown) -> None:
    whole = f"{MEDIA} 640 jpg".encode()
    for asked, part in (
        ("0-3", whole[:4]),
        ("4-", whole[4:]),
        ("-3", whole[-3:]),
        ("2-999", whole[2:]),
        ("-999", whole),
    ):
        response, body = await shown.get(shown.url(OWNER), Range=f"bytes={asked}")
        assert body == part
        start = whole.index(part)
        wanted = f"bytes {start}-{start + len(part) - 1}/{len(whole)}" if part != whole else None
        assert (response.status, response.headers.get("Content-Range")) == (206 if wanted else 200, wanted)
    for asked in (f"bytes={len(whole)}-", "bytes=99-100"):
        response, _ = await shown.get(shown.url(OWNER), Range=asked)
        assert (response.status, response.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    for asked in ("bytes=0-1,3-4", "pages=1-2", "bytes=b-a"):
        response, body = await shown.get(shown.url(OWNER), Range=asked)
        assert (response.status, body) == (200, whole)
    response, body = await shown.get(shown.url(OWNER), **{"Range": "bytes=0-3", "If-Range": '"another"'})
    assert (response.status, body) == (200, whole)


async def test_what_a_client_has_is_not_sent_again_but_asked_about(shown: Shown) -> None:
    tag = (await shown.get(shown.url(FOLLOWER)))[0].headers["ETag"]
    assert tag != (await shown.get(shown.url(FOLLOWER), Accept=WEBP))[0].headers["ETag"]
    response, body = await shown.get(shown.url(FOLLOWER), **{"If-None-Match": tag})
    assert (response.status, body) == (304, b"")
    await shown.pool.execute("delete from follow")
    assert (await shown.get(shown.url(FOLLOWER), **{"If-None-Match": tag}))[0].status == 404
    response, body = await shown.get(shown.url(OWNER), "HEAD")
    assert (response.status, body, response.headers["Content-Length"]) == (200, b"", str(len(f"{MEDIA} 640 jpg")))


async def test_all_that_is_wrong_is_answered_alike(shown: Shown) -> None:
    good = shown.url(FOLLOWER)
    path, _, query = good.partition("?")
    viewer, until, signature = query.split("&")
    past = Millis(await shown.now() // 1_000 - 1)
    wrong = [
        path,
        f"{path}?{viewer}&{until}",
        f"{path}?{viewer}&{until}&signature=",
        f"{path}?{viewer}&{until}&{signature}x",
        f"{path}?viewer={OWNER}&{until}&{signature}",
        f"{path}?{viewer}&until=9{until.partition('=')[2]}&{signature}",
        f"{path}?{viewer}&until=x&{signature}",
        f"{path}?{viewer}&until=²&{signature}",
        f"{path}?{viewer}&until={'9' * 5_000}&{signature}",
        good.replace(MEDIA, OTHER),
        good.replace("/640", "/641"),
        good.replace("/640", "/640.jpg"),
        shown.url(STRANGER),
        shown.url(FOLLOWER, media=OTHER),
        shown.url(FOLLOWER, until=past),
        shown.url(OWNER, until=past),
        shown.url(OWNER, media="99"),
    ]
    answers = set()
    for url in wrong:
        response, body = await shown.get(url)
        answers.add((response.status, body, response.headers["Cache-Control"]))
    ((status, problem, kept),) = answers
    assert (status, kept) == (404, "no-store")
    assert b"there is no such picture" in problem


async def test_rights_are_asked_for_at_every_request(shown: Shown) -> None:
    assert await shown.status(shown.url(FOLLOWER)) == 200
    for change, back in (
        ("update post set state = 'archived'", "update post set state = 'published'"),
        ("update media set state = 'processing'", "update media set state = 'ready'"),
        (f"insert into relation (user_id, target, kind) values ({OWNER}, {FOLLOWER}, 'block')", "delete from relation"),
        (f"insert into relation (user_id, target, kind) values ({FOLLOWER}, {OWNER}, 'block')", "delete from relation"),
        ("update follow set requested = true", "update follow set requested = false"),
    ):
        await shown.pool.execute(change)
        assert await shown.status(shown.url(FOLLOWER)) == 404, change
        await shown.pool.execute(back)
        assert await shown.status(shown.url(FOLLOWER)) == 200, back
    await shown.objects.delete([object_key(MEDIA, "640", "jpg")])
    assert await shown.status(shown.url(FOLLOWER)) == 404


async def test_the_picture_of_a_story_is_gone_with_it_by_the_clock_of_the_database(shown: Shown, stack: Stack) -> None:
    await shown.pool.execute(
        """insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at)
        values ($1, $2, 'a', '', $3, false, 'published', statement_timestamp() - interval '24 h',
          statement_timestamp() + interval '150 ms')""",
        *(int(STORY), int(OWNER), int(OTHER)),
    )
    ends = int(await shown.pool.fetchval("select (extract(epoch from expires_at) * 1000000)::bigint from story"))
    # A node whose clock is slow signs for longer, and one whose clock is wrong serves all the same.
    stack.now_s -= 7_200
    seen = 0
    while True:
        before = await shown.now()
        response, _ = await shown.get(shown.url(FOLLOWER, media=OTHER))
        after = await shown.now()
        if response.status == 404:
            break
        assert before < ends
        seen += 1
    assert after >= ends
    assert seen
    assert await shown.status(shown.url(OWNER, media=OTHER)) == 200


async def test_an_address_ends_by_the_clock_of_the_database(shown: Shown, stack: Stack) -> None:
    until = Millis(await shown.now() // 1_000 + 150)
    stack.now_s -= 7_200
    url, seen = shown.url(OWNER, until=until), 0
    while True:
        before = await shown.now()
        response, _ = await shown.get(url)
        after = await shown.now()
        if response.status == 404:
            break
        assert response.headers["Cache-Control"] == "private, immutable, max-age=0"
        assert before < until * 1_000
        seen += 1
    assert after >= until * 1_000
    assert seen


@pytest.mark.parametrize("rates", [Rates(viewer=Rate("viewer", 2, 0.001), address=Rate("address", 3, 0.001))])
async def test_pictures_have_limits_of_their_own(database: str, tmp_path: Path, stack: Stack, rates: Any) -> None:
    async with open_pool(database, 1) as pool:
        addresses = MediaAddresses([KEY], stack.clock)
        stack.change("contents", pictures=Pictures(addresses, PostgresMedia(pool), LocalObjects(tmp_path)))
        stack.change("entry", rates=rates)
        async with stack.served() as client:
            for viewer in (OWNER, FOLLOWER):
                url = addresses.url(viewer, MEDIA).replace("{variant}", "150")
                assert [(await client.get(url)).status for _ in range(3)] == [404, 404, 429]
            assert [(await client.get(url + "x")).status for _ in range(4)] == [404, 404, 404, 429]


async def test_the_python_client_gets_pictures(shown: Shown) -> None:
    url = str(shown.client.make_url("/"))
    assert await picture(url, shown.url(FOLLOWER)) == f"{MEDIA} 640 jpg".encode()
    assert await picture(url, shown.url(FOLLOWER), webp=True) == f"{MEDIA} 640 webp".encode()
    with pytest.raises(Refused) as refusal:
        await picture(url, shown.url(STRANGER))
    assert refusal.value.code == "not_found"


async def test_a_picture_that_cannot_be_read_breaks_off_and_nothing_else_is_said(shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / object_key(MEDIA, "640", "jpg")
    file.unlink()
    file.mkdir()
    address = shown.client.make_url("/")
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"GET {shown.url(OWNER)} HTTP/1.1\r\nHost: there\r\n\r\n".encode())
    with suppress(ConnectionError):
        answer = b"".join([part async for part in reader])
        assert answer.count(b"HTTP/1.1") <= 1
    writer.close()
    assert await shown.status(shown.url(OWNER, "320")) == 200


async def test_somebody_who_does_not_read_is_left(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.http.media.PART_S", 0.5)
    await unread(shown, shown.url(OWNER))


async def test_whoever_reads_slowly_reads_no_longer_than_the_address_is_good(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.http.media.LATE_S", 0.1)
    await unread(shown, shown.url(OWNER, until=Millis(await shown.now() // 1_000 + 400)))


async def unread(shown: Shown, url: str) -> None:
    """Whoever asks for it without reading is left before it is whole."""
    large = bytes(32 << 20)
    await shown.objects.put(object_key(MEDIA, "640", "jpg"), large)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", shown.client.server.port))
        await loop.sock_sendall(client, f"GET {url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await loop.sock_recv(client, 1_000)
        assert head.startswith(b"HTTP/1.1 200 ")
        # The answer's head may come before its file is opened.
        await until(has_object)
        await until(lambda: not has_object())
        read = len(head)
        with suppress(ConnectionResetError):
            while part := await loop.sock_recv(client, 1 << 20):
                read += len(part)
        assert read < len(large)


def has_object() -> bool:
    return any(is_object(file) for file in Path("/proc/self/fd").iterdir())


def is_object(file: Path) -> bool:
    with suppress(OSError):
        return str(file.readlink()).endswith("640.jpg")
    return False
