"""Uploads that are made to break something: each has its answer, and the node serves on."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.security.watch import Watched
from tests.server.media.drawing import encoded, photo
from tests.server.uploads.rig import BODY, Uploader, checksum, id_of, path_of, picture


@asynccontextmanager
async def at(node: Watched) -> AsyncIterator[tuple[Uploader, Uploader]]:
    """Two people, whose uploads leave the node as it was. What they finish has to be a picture: others are logged."""
    async with node.attacked(logs=0), aiohttp.ClientSession(f"http://127.0.0.1:{node.port}") as session:
        ada, eve = (Uploader(session, node.person()["access_token"]) for _ in range(2))
        yield ada, eve


async def test_a_wrong_offset_changes_nothing(node: Watched) -> None:
    async with at(node) as (ada, _):
        path = await ada.create(100)
        await ada.patch(path, 0, picture(40))
        for offset in (0, 39, 41, 100, 2**40):
            await ada.patch(path, offset, b"secret", 409)
        for said in ("-1", "0x28", "40 ", "٤٠", "1e1", "9" * 30):
            await ada.ask("PATCH", path, 204 if said == "40 " else 400, b"", Upload_Offset=said, Content_Type=BODY)
        assert await ada.offset(path) == 40


async def test_more_than_was_announced_does_not_come_in(node: Watched) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield picture(50)
        for _ in range(16):
            yield bytes(65_536)

    async with at(node) as (ada, _):
        path = await ada.create(100)
        await ada.patch(path, 0, picture(1_000), 413)
        await ada.patch(path, 0, endless(), 413)
        assert await ada.offset(path) == 0
        await ada.ask("POST", "/v1/uploads", 413, Upload_Length=str(2**47))


@pytest.mark.parametrize(
    ("name", "status"),
    [(b"../../../etc/passwd", 201), (b"..\\..\\x", 201), (b"/dev/null", 201), (b"a\0.jpg", 400), (b"\xff\xfe", 201)],
)
async def test_names_lead_nowhere(node: Watched, name: bytes, status: int) -> None:
    async with at(node) as (ada, _):
        metadata = f"filename {base64.b64encode(name).decode()}"
        answer = await ada.ask("POST", "/v1/uploads", status, Upload_Length="31", Upload_Metadata=metadata)
        if status == 201:
            await ada.patch(path_of(answer), 0, picture(30))
            assert (await ada.ask("HEAD", path_of(answer), 200))["Upload-Metadata"] == metadata
    names = {path.name for path in (node.data / "objects").rglob("*")}
    assert not names & {"passwd", "null", "x"}


@pytest.mark.parametrize("path", ["..%2f7", "7%00", "0", "07", "7.1", "9" * 40, "*"])
async def test_ids_lead_nowhere(node: Watched, path: str) -> None:
    async with at(node) as (ada, _):
        await ada.patch(f"/v1/uploads/{path}", 0, picture(30), 404)


async def test_of_two_writers_one_is_locked_out(node: Watched) -> None:
    content, answered = encoded(photo(64, 64), "png"), asyncio.Event()
    headers = {"Upload-Offset": "0", "Content-Type": BODY}

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:100]
        await answered.wait()
        yield content[100:]

    async with at(node) as (ada, _):
        path = await ada.create(len(content))

        async def write() -> int:
            async with ada.asked("PATCH", path, slowly(), **headers) as answer:
                answered.set()
                return answer.status

        assert sorted(await asyncio.gather(write(), write())) == [204, 423]
        assert await ada.offset(path) == len(content)


async def test_who_brings_too_much_is_refused(node: Watched) -> None:
    async with at(node) as (ada, eve):
        for _ in range(20):
            await ada.create(1_000)
        assert "finish or delete one" in (await ada.ask("POST", "/v1/uploads", 409, Upload_Length="1"))["detail"]
        for _ in range(16):
            await eve.create(134_217_728)
        assert (await eve.ask("POST", "/v1/uploads", 403, Upload_Length="1"))["code"] == "forbidden"
        assert "Upload-Length" in (await eve.ask("POST", "/v1/uploads", 413, Upload_Length="134217729"))["detail"]


async def test_finishing_twice_makes_one_picture(node: Watched) -> None:
    content = encoded(photo(64, 64), "png")
    async with at(node) as (ada, _):
        path = await ada.create(len(content))
        await ada.patch(path, 0, content)
        for body, status in ((b"", 204), (b"x", 413)):
            await ada.patch(path, len(content), body, status)
        await ada.patch(path, 0, content, 409)
        again = await ada.create(len(content))
        headers = {"Upload-Offset": "0", "Content-Type": BODY}
        statuses = []

        async def send() -> None:
            async with ada.asked("PATCH", again, content, **headers) as answer:
                statuses.append(answer.status)

        await asyncio.gather(*(send() for _ in range(4)))
        assert statuses.count(204) == 1
        assert set(statuses) <= {204, 409, 423, 429}


async def test_a_bad_checksum_counts_for_nothing(node: Watched) -> None:
    async with at(node) as (ada, _):
        path = await ada.create(50)
        await ada.patch(path, 0, picture(50), 460, **checksum(b"other"))
        assert await ada.offset(path) == 0


async def test_a_foreign_upload_is_answered_like_one_that_does_not_exist(node: Watched) -> None:
    async with at(node) as (ada, eve):
        path = await ada.create(100)
        await ada.patch(path, 0, picture(40))
        absent = f"/v1/uploads/{int(id_of(path)) ^ 1 << 5}"
        for method, offset in (("PATCH", "40"), ("PATCH", "0"), ("DELETE", "")):
            told = []
            for upload in (path, absent):
                asked = {"Upload-Offset": offset, "Content-Type": BODY} if offset else {}
                told.append(await eve.ask(method, upload, 404, b"" if offset else None, **asked))
            assert told[0] == told[1]
        for upload in (path, absent):
            await eve.ask("HEAD", upload, 404)
        assert await ada.offset(path) == 40
