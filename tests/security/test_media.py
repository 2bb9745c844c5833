"""Pictures that are made to break what looks at them, and addresses that are made to show what one may not see."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import numpy as np
import pytest

from config.settings import Settings, load
from server.composition import clock
from server.media.addresses import MediaAddresses
from tests.security.watch import Watched
from tests.server.media.drawing import corners, encoded, image, png
from tests.server.uploads.rig import Uploader, id_of

SCRIPT = b"<html><script>alert('secret')</script></html>"


def bomb_of_frames(frames: int) -> bytes:
    """A GIF of very many frames, each as large as the first."""
    whole = encoded(np.zeros((300, 300), np.uint8), "gif")
    start = whole.index(b"\x2c", 13)
    return whole[:start] + whole[start:-1] * frames + b"\x3b"


def lying_box() -> bytes:
    return struct.pack(">I4s", 24, b"ftyp") + b"heic\0\0\0\0mif1heic" + struct.pack(">I4sQ", 1, b"mdat", 1 << 62)


ATTACKS: dict[str, tuple[bytes, str, str | None]] = {
    "30,000² in a few bytes": (png(30_000, 30_000, zlib.compress(bytes(10_000))), "rejected", "too many pixels"),
    "2³¹ wide": (png(2**31 - 1, 1, b""), "rejected", None),
    "rows that never end": (png(10_000, 10_000, zlib.compress(bytes(50_000_000))[:20_000]), "rejected", "broken"),
    "a head alone": (b"\x89PNG\r\n\x1a\n", "rejected", "broken"),
    "a torn JPEG": (encoded(corners(), "jpeg")[:-300], "rejected", "broken"),
    "a GIF of 2,000 frames": (bomb_of_frames(2_000), "ready", None),
    "a page behind a picture": (encoded(corners(), "jpeg") + SCRIPT, "ready", None),
    "a box that says it is endless": (lying_box(), "rejected", "broken"),
    "SVG called JPEG": (b"\xff\xd8\xff\xe0<svg xmlns='http://www.w3.org/2000/svg'/>", "rejected", "broken"),
    "a TIFF that goes in a circle": (b"II*\0\x08\0\0\0\x01\0\0\1\3\0\1\0\0\0\1\0\0\0\x08\0\0\0", "rejected", "broken"),
}


def settings_of(node: Watched) -> Settings:
    return load(node.data / "tidings.toml", {})


async def ended(node: Watched, media: str) -> asyncpg.Record:
    """The row when nothing is left to be done for it."""
    connection = await asyncpg.connect(str(settings_of(node).postgres.url))
    try:
        async with asyncio.timeout(60):
            while True:
                row = await connection.fetchrow("select * from media where id = $1", int(media))
                if row is not None and row["due_at"] is None:
                    return row
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


@asynccontextmanager
async def asking(node: Watched) -> AsyncIterator[aiohttp.ClientSession]:
    async with node.attacked(logs=0), aiohttp.ClientSession(f"http://127.0.0.1:{node.port}") as session:
        yield session


async def brought(session: aiohttp.ClientSession, token: str, data: bytes) -> str:
    uploader = Uploader(session, token)
    path = await uploader.create(len(data))
    await uploader.patch(path, 0, data)
    return id_of(path)


def address(node: Watched, viewer: str, media: str, variant: str = "320") -> str:
    return MediaAddresses(settings_of(node).tokens.secrets, clock).url(viewer, media).replace("{variant}", variant)


@pytest.mark.parametrize("name", ATTACKS)
async def test_a_picture_that_is_an_attack_is_rejected_or_harmless(node: Watched, name: str) -> None:
    data, state, reason = ATTACKS[name]
    async with asking(node) as session:
        person = node.person()
        media = await brought(session, person["access_token"], data)
        row = await ended(node, media)
        assert (row["state"], row["attempts"] < 3) == (state, True), row["reason"]
        assert reason in (None, row["reason"])
        async with session.get(address(node, person["user"], media)) as response:
            assert response.status == (200 if state == "ready" else 404)
            shown = await response.read()
            assert b"script" not in shown or state == "rejected"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    left = {path.parent.name for path in (node.data / "objects").rglob("*") if path.is_file()}
    assert (media in left) == (state == "ready")


async def test_a_picture_is_seen_by_its_owner_until_it_is_shown_and_by_nobody_with_another_address(
    node: Watched,
) -> None:
    async with asking(node) as session:
        ada, eve = node.person(), node.person()
        media = await brought(session, ada["access_token"], image(corners()).jpegsave_buffer())
        await ended(node, media)
        mine, foreign = address(node, ada["user"], media), address(node, eve["user"], media)
        path, _, query = mine.partition("?")
        absent = address(node, eve["user"], "1")
        answers = {}
        wrong = (
            foreign,
            absent,
            path,
            f"{path}?{query.replace(ada['user'], eve['user'])}",
            mine.replace("until=", "until=9"),
            mine[:-2],
            mine.replace("/320?", "/original?"),
            mine.replace("/320?", "/..%2f..%2fcold?"),
            mine.replace(f"/{media}/", f"/{int(media) + 1}/"),
        )
        for url in wrong:
            async with session.get(url, headers={"Authorization": f"Bearer {eve['access_token']}"}) as response:
                answers[url] = (response.status, await response.read(), response.headers["Cache-Control"])
        assert len(set(answers.values())) == 1, answers
        assert answers[foreign][0] == 404
        async with session.get(mine) as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
            assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
