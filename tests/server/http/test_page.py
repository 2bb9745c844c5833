"""The web page: served by name from memory, with headers that keep anything foreign out of it."""

import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hatchling.builders.wheel import WheelBuilder
from yarl import URL

from server.http import make_app
from server.http.page import FOLDER, PREFIX, Page
from tests.server.http.stack import Client, Stack

REPOSITORY = Path(__file__).parents[3]
SOCKETS = "ws://127.0.0.1:*"


@pytest.fixture
async def pages() -> AsyncIterator[Client]:
    app = make_app(Stack().services)
    Page(SOCKETS).add_to(app)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        yield client


async def test_the_page_and_every_file_it_names_are_served_with_their_types(pages: Client) -> None:
    async with pages.get("/") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        named = re.findall(rf'"({PREFIX}[^"]+)"', await response.text())
    assert len(named) >= 3
    for path in named:
        async with pages.get(path) as response:
            assert response.status == 200, path
            assert response.content_type in ("text/javascript", "text/css", "image/svg+xml")


async def test_every_module_finds_the_modules_that_it_imports(pages: Client) -> None:
    for file in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text()):
            async with pages.get(PREFIX + name) as response:
                assert response.status == 200, f"{file.name} imports {name}"


async def test_only_what_comes_from_here_runs_and_nobody_may_frame_it(pages: Client) -> None:
    async with pages.get("/") as response:
        policy = dict(
            part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'self'"
        assert policy["connect-src"] == f"'self' {SOCKETS}"
        assert policy["img-src"] == "'self' data: blob:"
        assert (policy["frame-ancestors"], policy["base-uri"], policy["object-src"]) == ("'none'",) * 3
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        text = await response.text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", text)


async def test_a_file_that_is_known_is_not_sent_again(pages: Client) -> None:
    async with pages.get("/") as response:
        tag = response.headers["ETag"]
    async with pages.get("/", headers={"If-None-Match": f'W/"other", {tag}'}) as response:
        assert (response.status, await response.read()) == (304, b"")
        assert response.headers["ETag"] == tag
    async with pages.get("/", headers={"If-None-Match": '"other"'}) as response:
        assert response.status == 200
    async with pages.head("/") as response:
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/web/",
        "/web/index.html",
        "/web/../pyproject.toml",
        "/web/..%2fpyproject.toml",
        "/web/%2e%2e/%2e%2e/pyproject.toml",
        "/web/..%5cpyproject.toml",
        "/web//etc/passwd",
        "/web/main.js%00.css",
        "/web/main.js/",
        "/web/MAIN.JS",
        "/../../etc/passwd",
    ],
)
async def test_no_path_leads_to_anything_else(pages: Client, path: str) -> None:
    async with pages.get(URL(path, encoded=True)) as response:
        assert response.status == 404
        assert response.content_type == "application/problem+json"


async def test_without_the_files_there_is_no_page(tmp_path: Path) -> None:
    app = make_app(Stack().services)
    Page(SOCKETS, tmp_path / "nowhere").add_to(app)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client, client.get("/") as response:
        assert response.status == 404


def test_the_wheel_has_the_page_where_the_server_looks_for_it(tmp_path: Path) -> None:
    built = next(WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path), versions=["standard"]))
    with zipfile.ZipFile(built) as wheel:
        names = set(wheel.namelist())
    beside = FOLDER.relative_to(REPOSITORY).as_posix()
    assert {f"{beside}/{file.name}" for file in FOLDER.iterdir()} <= names
    assert "server/http/page.py" in names
    assert not any(name.startswith(("tests/", "clients/python")) for name in names)
