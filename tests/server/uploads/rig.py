"""tus over HTTP with a real database and a real folder, and everything around it in memory."""

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import ClientResponse, ClientSession, web

from actors.effects import Address
from config.objects import Uploads as Granted
from persistence.objects.contract import Objects
from persistence.objects.local import LocalObjects
from persistence.pool import Pool, open_pool
from persistence.uploads.postgres import PostgresUploads
from protocol.live import UploadMoved
from protocol.media import MediaId
from server.http import HANDLING, make_app
from server.uploads.assembling import assemble
from server.uploads.progress import Progress
from server.uploads.uploads import Uploads
from tests.server.http.stack import Client, Stack

PIECE = 1_000
JPEG = b"\xff\xd8\xff\xe0 a picture of some bytes"
BODY = "application/offset+octet-stream"


def picture(size: int) -> bytes:
    """So many bytes that begin like a picture."""
    return (JPEG + bytes(range(256)) * (size // 256 + 1))[:size]


def checksum(body: bytes, algorithm: str = "sha1") -> dict[str, str]:
    digest = hashlib.new(algorithm, body).digest()
    return {"Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"}


class Rig:
    """`told` is what owners heard live; `grant` changes what the settings say."""

    def __init__(self, pool: Pool, objects: Objects) -> None:
        self.pool = pool
        self.objects = objects
        self.store = PostgresUploads(pool)
        self.told: list[tuple[str, UploadMoved]] = []
        self.stack = Stack()
        # Names of their own: the database is shared by the tests of a module.
        self.grant()

    def grant(self, **granted: Any) -> None:
        """Only before the stack is served."""
        self.uploads = Uploads(
            self.objects, self.store, Progress(self._hear), Granted(**granted), self.stack.monotonic, PIECE
        )
        self.stack.change("contents", uploads=self.uploads)

    def _hear(self, audience: tuple[Address, ...], event: UploadMoved) -> None:
        self.told += [(str(address.key), event) for address in audience]

    async def stored(self, upload: str) -> bytes:
        """What the pipeline would get, the pieces joined."""
        await assemble(self.objects, MediaId(upload), f"original/{upload}")
        return b"".join([part async for part in self.objects.read(f"original/{upload}")])

    async def media(self, upload: str) -> Any:
        return await self.pool.fetchrow("select * from media where id = $1", int(upload))

    async def expire(self, upload: str) -> None:
        await self.pool.execute("update upload set expires_at = statement_timestamp() where id = $1", int(upload))


class Uploader:
    """One person's client, as bare as can be: every answer is looked at by the test."""

    def __init__(self, client: Client | ClientSession, token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    @asynccontextmanager
    async def asked(self, method: str, path: str, body: Any = None, /, **headers: str) -> AsyncIterator[ClientResponse]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, path, data=body, headers={**self.headers, **named}) as response:
            await response.read()
            yield response

    async def ask(self, method: str, path: str, status: int, body: Any = None, /, **headers: str) -> Any:
        """The headers of an answer that has this status; of a refusal, its document."""
        async with self.asked(method, path, body, **headers) as response:
            text = await response.text()
            assert response.status == status, (response.status, text)
            assert response.headers["Tus-Resumable"] == "1.0.0"
            return msgspec.json.decode(text) if text else response.headers

    async def create(self, length: int, status: int = 201, **headers: str) -> str:
        """The path of a new upload."""
        answer = await self.ask("POST", "/v1/uploads", status, Upload_Length=str(length), **headers)
        return path_of(answer)

    async def patch(self, path: str, offset: int, body: Any, status: int = 204, /, **headers: str) -> Any:
        return await self.ask(
            "PATCH", path, status, body, Upload_Offset=str(offset), **{"Content_Type": BODY, **headers}
        )

    async def offset(self, path: str) -> int:
        return int((await self.ask("HEAD", path, 200))["Upload-Offset"])


@asynccontextmanager
async def as_in_a_node(rig: Rig) -> AsyncIterator[int]:
    """Its port: served as a node does it, where the end of a connection does not end what it asked for."""
    runner = web.AppRunner(make_app(rig.stack.services), **HANDLING)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def path_of(answer: Mapping[str, str]) -> str:
    """Where a new upload is, which is told as an absolute URL."""
    where = urlsplit(answer["Location"])
    assert where.scheme == "http"
    return where.path


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


@asynccontextmanager
async def opened(url: str, folder: Path) -> AsyncIterator[Rig]:
    async with open_pool(url, 6) as pool:
        yield Rig(pool, LocalObjects(folder))
