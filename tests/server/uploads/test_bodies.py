"""Bodies that end early, stall, or come while there is no place for them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.server.uploads.rig import BODY, Rig, Uploader, as_in_a_node, checksum, id_of, picture

LENGTH = 3_000


@asynccontextmanager
async def sending(
    port: int, ada: Uploader, path: str, part: bytes, headers: Mapping[str, str], method: str = "PATCH"
) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has sent so much of a body and then nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {**ada.headers, **headers, "Content-Type": BODY, "Upload-Offset": "0", "Content-Length": str(LENGTH)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + part)
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def until_released(rig: Rig, path: str) -> None:
    while await rig.pool.fetchval(
        "select held_until > statement_timestamp() from upload where id = $1", int(id_of(path))
    ):
        pass


async def until_pieces(rig: Rig, path: str, count: int) -> None:
    while len(await rig.objects.listed(f"upload/{id_of(path)}")) < count:
        pass


async def test_of_a_body_that_breaks_off_what_came_counts(rig: Rig, ada: Uploader) -> None:
    content = picture(LENGTH)
    cases: list[tuple[dict[str, str], int]] = [({}, 2_600), (checksum(content), 0)]
    async with as_in_a_node(rig) as port:
        for headers, kept in cases:
            path = await ada.create(LENGTH)
            async with sending(port, ada, path, content[:2_600], headers):
                await until_pieces(rig, path, 2)
            await until_released(rig, path)
            assert await ada.offset(path) == kept
            await ada.patch(path, kept, content[kept:])
            assert await rig.stored(id_of(path)) == content


@pytest.mark.parametrize(
    ("places", "status", "header"),
    [(2, b"408", b"Tus-Resumable: 1.0.0"), (1, b"503", b"Retry-After: 1")],
    ids=["with room for others", "while others find no place"],
)
async def test_a_body_that_stalls_is_ended_and_what_came_counts(
    rig: Rig, ada: Uploader, places: int, status: bytes, header: bytes
) -> None:
    """Clients of tus try 503 again by themselves, but not 408: where others find no place it is told to go on later."""
    rig.grant(stall_ms=200, at_once=places)
    path = await ada.create(LENGTH)
    async with as_in_a_node(rig) as port, sending(port, ada, path, picture(LENGTH)[:700], {}) as reader:
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert header + b"\r\n" in answer
    assert await ada.offset(path) == 700


async def test_a_creation_whose_body_stalls_says_where_to_go_on(rig: Rig, ada: Uploader) -> None:
    rig.grant(stall_ms=200)
    part, announced = picture(LENGTH)[:700], {"Upload-Length": str(LENGTH)}
    async with as_in_a_node(rig) as port, sending(port, ada, "/v1/uploads", part, announced, "POST") as reader:
        answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"Location: http://x/v1/uploads/" in answer
    assert b"Upload-Offset: 700\r\n" in answer


async def test_a_creation_whose_client_goes_away_in_the_middle_leaves_no_upload(rig: Rig, ada: Uploader) -> None:
    announced = {"Upload-Length": str(LENGTH)}
    async with as_in_a_node(rig) as port, asyncio.timeout(10):
        async with sending(port, ada, "/v1/uploads", picture(LENGTH)[:2_600], announced, "POST"):
            while not (id := await rig.pool.fetchval("select id from upload where received > 0")):
                pass
        while await rig.pool.fetch("select from upload"):
            pass
    assert await rig.objects.listed(f"upload/{id}") == []


async def test_there_are_so_many_places_and_so_many_of_one_person(rig: Rig, ada: Uploader, bob: Uploader) -> None:
    rig.grant(at_once=3, per_user=2)
    content = picture(LENGTH)
    async with as_in_a_node(rig) as port:
        paths = [await ada.create(LENGTH) for _ in range(3)]
        theirs = [await bob.create(LENGTH) for _ in range(2)]
        async with sending(port, ada, paths[0], content[:1_500], {}), sending(port, ada, paths[1], content[:1_500], {}):
            for path in paths[:2]:
                await until_pieces(rig, path, 1)
            async with sending(port, ada, paths[2], content, {}) as reader:
                assert (await reader.readline()).startswith(b"HTTP/1.1 429 ")
            async with sending(port, bob, theirs[0], content[:1_500], {}):
                await until_pieces(rig, theirs[0], 1)
                async with sending(port, bob, theirs[1], content, {}) as reader:
                    assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        for path in (*paths[:2], theirs[0]):
            await until_released(rig, path)
        async with sending(port, bob, theirs[1], content, {}) as reader:
            assert (await reader.readline()).startswith(b"HTTP/1.1 204 ")
