"""Clients that others wrote, and our own, at a real node."""

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import aiotus
import pytest
from tusclient.client import TusClient

from tests.server.running import Installation
from tests.server.uploads.rig import picture
from tests.server.wire import session
from tidings_client import Login, Refused, Tokens, Uploads

HERE = Path(__file__).parent / "node"
CONTENT = picture(16) + os.urandom(900_000)


class Person:
    """Somebody with a token, who looks at their uploads."""

    def __init__(self, installation: Installation, minted: dict[str, Any]) -> None:
        self.url = installation.url
        self.tokens = Tokens(minted["user"], minted["access_token"], minted["refresh_token"], 900)
        self.headers = {"Authorization": f"Bearer {minted['access_token']}"}

    async def received(self, upload: str) -> int:
        headers = {**self.headers, "Tus-Resumable": "1.0.0"}
        async with (
            aiohttp.ClientSession() as session,
            session.head(f"{self.url}/v1/uploads/{upload}", headers=headers) as answer,
        ):
            assert answer.headers["Upload-Length"] == str(len(CONTENT))
            return int(answer.headers["Upload-Offset"])


@pytest.fixture
def person(installation: Installation, people: list[dict[str, str]]) -> Person:
    return Person(installation, people.pop())


async def test_tuspy_uploads_with_checksums_and_goes_on_where_it_was(person: Person) -> None:
    client = TusClient(f"{person.url}/v1/uploads", headers=person.headers)
    stream = io.BytesIO(CONTENT)
    uploader = client.uploader(
        file_stream=stream, chunk_size=200_000, metadata={"filename": "../x.jpg"}, upload_checksum=True
    )
    uploader.upload(stop_at=400_000)
    upload = str(uploader.url)
    assert await person.received(upload.rpartition("/")[2]) == 400_000
    again = client.uploader(file_stream=io.BytesIO(CONTENT), chunk_size=200_000, url=upload)
    again.upload()
    assert await person.received(upload.rpartition("/")[2]) == len(CONTENT)


async def test_aiotus_uploads(person: Person) -> None:
    metadata: dict[str, Any] = {"filename": b"x.jpg"}
    where = await aiotus.upload(
        f"{person.url}/v1/uploads", io.BytesIO(CONTENT), metadata, headers=person.headers, chunksize=250_000
    )
    assert where is not None
    assert await person.received(where.path.rpartition("/")[2]) == len(CONTENT)
    assert await aiotus.metadata(where, headers=person.headers) == {"filename": b"x.jpg"}


async def test_the_sdk_uploads_tells_how_far_it_is_and_resumes(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    file.write_bytes(CONTENT)
    uploads = Uploads(Login(person.url, person.tokens), chunk=300_000)
    begun: list[str] = []
    told: list[tuple[int, int]] = []

    def stop(offset: int, length: int) -> None:
        if offset == 600_000:
            raise KeyError

    with pytest.raises(KeyError):
        await uploads.upload(file, name="Ünïcode.jpg", progress=stop, started=begun.append)
    upload = await uploads.resume(begun[0], file, progress=lambda *far: told.append(far))
    assert upload == begun[0]
    assert told == [(600_000, len(CONTENT)), (900_000, len(CONTENT)), (len(CONTENT), len(CONTENT))]
    assert await uploads.resume(upload, CONTENT) == upload
    with pytest.raises(Refused, match="JPEG"):
        await uploads.upload(b"<html>")
    with pytest.raises(Refused, match="no such upload"):
        await uploads.resume("8", CONTENT)
    with pytest.raises(KeyError):
        await uploads.upload(io.BytesIO(CONTENT), progress=stop, started=begun.append)
    await uploads.cancel(begun[1])
    with pytest.raises(Refused):
        await uploads.resume(begun[1], CONTENT)


async def test_owners_hear_on_their_sockets_how_far_it_is(person: Person) -> None:
    async with session(f"ws{person.url.removeprefix('http')}/v1/socket", person.tokens.access_token) as (wire, _):
        upload = await Uploads(Login(person.url, person.tokens)).upload(CONTENT)
        # What follows that all of it is here may take the place of it.
        while (event := await wire.event("upload"))["state"] == "received" and event["percent"] != 100:
            continue
    assert (event["upload"], event["media"]) == (upload, upload)


@pytest.mark.verify
async def test_tus_js_client_uploads_breaks_off_and_resumes(person: Person, tmp_path: Path) -> None:
    for program in ("node", "npm"):
        assert shutil.which(program), f"{program} is not installed: install Node.js 18 or newer with npm"
    folder = tmp_path / "node"
    shutil.copytree(HERE, folder)
    words = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", str(tmp_path / "npm")]
    installed = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "picture.jpg").write_bytes(CONTENT)
    arguments = [f"{person.url}/v1/uploads", person.tokens.access_token, str(tmp_path / "picture.jpg")]
    ran = subprocess.run(["node", "upload.mjs", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert await person.received(ran.stdout.rpartition("/")[2]) == len(CONTENT)
    shutil.rmtree(folder)
