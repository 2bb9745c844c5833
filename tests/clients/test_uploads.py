"""What the SDK's uploads make of a server that is away, busy, or forgets; `tests/server/uploads` asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.clients.answering import served
from tidings_client import Malformed, Refused, Uploads
from tidings_client.uploads import TRIES


class Server:
    """Takes an upload; `faults` are what becomes of its next PATCH requests, and of every HEAD while it is `away`. More
    than `most` bytes break off."""

    def __init__(self) -> None:
        self.received = b""
        self.length = 0
        self.faults: list[int] = []
        self.away = False
        self.most = 1 << 30
        self.asked: list[str] = []
        self.location = "/v1/uploads/7"

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.append(request.method)
        if request.method == "POST":
            self.length = int(request.headers["Upload-Length"])
            return web.Response(status=201, headers={"Location": self.location})
        if self.away:
            return web.Response(status=503)
        if request.method == "PATCH":
            if len(body) > self.most:
                return web.json_response({"code": "bad_request", "detail": "it came too slowly"}, status=460)
            if self.faults and (status := self.faults.pop(0)):
                return web.json_response({"code": "conflict_state", "detail": "no"}, status=status)
            assert request.headers["Upload-Offset"] == str(len(self.received))
            self.received += body
        return web.Response(status=204, headers={"Upload-Offset": str(len(self.received))})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def uploads(server: Server) -> AsyncIterator[Uploads]:
    async with served(server.handle) as login:
        yield Uploads(login, chunk=10, pause_s=0)


async def test_chunks_follow_each_other_and_progress_is_told(server: Server, uploads: Uploads) -> None:
    told: list[tuple[int, int]] = []
    assert await uploads.upload(b"x" * 25, progress=lambda *far: told.append(far)) == "7"
    assert server.received == b"x" * 25
    assert told == [(0, 25), (10, 25), (20, 25), (25, 25)]


async def test_after_trouble_it_goes_on_where_the_server_stands(server: Server, uploads: Uploads) -> None:
    server.faults = [0, 500, 423, 409, 460, 429, 0, 503, 0]
    await uploads.upload(b"0123456789" * 3)
    assert server.received == b"0123456789" * 3
    assert server.asked.count("HEAD") == 6


async def test_on_a_line_that_is_too_slow_for_large_chunks_smaller_ones_get_through(server: Server) -> None:
    server.most = 70_000
    async with served(server.handle) as login:
        await Uploads(login, chunk=400_000, pause_s=0).upload(b"x" * 300_000)
    assert server.received == b"x" * 300_000
    assert server.asked.count("HEAD") == 3


async def test_it_is_given_up_when_nothing_gets_through(server: Server, uploads: Uploads) -> None:
    server.away = True
    with pytest.raises(OSError, match="503"):
        await uploads.upload(b"x")
    assert server.asked.count("PATCH") == TRIES


async def test_it_is_given_up_when_somebody_else_has_it_all_the_time(server: Server, uploads: Uploads) -> None:
    server.most = 0
    with pytest.raises(ConnectionError):
        await uploads.upload(b"x")
    assert server.asked.count("PATCH") == TRIES + 1


@pytest.mark.parametrize("status", [400, 403, 404, 413, 415])
async def test_what_is_refused_is_not_sent_again(server: Server, uploads: Uploads, status: int) -> None:
    server.faults = [status]
    with pytest.raises(Refused):
        await uploads.upload(b"x")
    assert server.asked == ["POST", "PATCH"]


async def test_an_answer_without_a_place_is_malformed(server: Server, uploads: Uploads) -> None:
    server.location = ""
    with pytest.raises(Malformed, match="Location"):
        await uploads.upload(b"x")


class S3(Server):
    """Announces uploads whose URL is its own, and takes what is put there; `status` is what becomes of that."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.paths.append(request.path)
        match request.path:
            case "/v1/uploads/direct":
                url = f"http://{request.host}/bucket/7?signature=1"
                return web.json_response({"upload": "7", "url": url, "expires_at": 1, "later": {}}, status=201)
            case "/bucket/7":
                assert "Authorization" not in request.headers
                self.received = body
                return web.Response(status=self.status, text="<Error/>")
        return web.json_response({"upload": "7", "media": "7"})


async def test_a_picture_goes_straight_to_s3(tmp_path: Path) -> None:
    s3, file = S3(), tmp_path / "picture"
    file.write_bytes(b"x" * 25)
    async with served(s3.handle) as login:
        assert await Uploads(login).upload_direct(file) == "7"
        assert s3.received == b"x" * 25
        assert s3.paths == ["/v1/uploads/direct", "/bucket/7", "/v1/uploads/7/complete"]
        s3.status = 403
        with pytest.raises(Refused, match="403"):
            await Uploads(login).upload_direct(b"x")
        s3.status = 503
        with pytest.raises(OSError, match="503"):
            await Uploads(login).upload_direct(b"x")
