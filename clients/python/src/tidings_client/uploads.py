"""Uploading pictures, resumable over lost connections and restarts of this program (wire contract §9, tus.io)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, Final

from .accounts import Login
from .client import new_cid
from .errors import Malformed, Refused
from .http_calls import problem_of, put
from .reading import text_of

CHUNK: Final = 4 << 20
"""Bytes sent by one request, and so held in memory. After each that did not get through it is half as many, since of
one that broke off nothing counts: on a slow line to a node that is full a large one would never come to its end."""
LEAST_CHUNK: Final = 64 << 10
"""The server ends what comes in more bodies than one for each 16 KiB."""
TRIES: Final = 8
"""How often in a row nothing may get through before it is given up."""
PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 5.0

PATH: Final = "/v1/uploads"
BODY_TYPE: Final = "application/offset+octet-stream"
VERSION: Final = {"Tus-Resumable": "1.0.0"}
# Somebody else wrote meanwhile, or is writing still; the bytes were damaged on their way; the body came too slowly.
AGAIN: Final = frozenset((408, 409, 423, 429, 460))

Progress = Callable[[int, int], None]


class Uploads:
    """Uploads of one login. `chunk` bytes go by one request, with a checksum each; after trouble it pauses for
    `pause_s`, then longer and longer.

    All methods raise Refused (`too_large`, `forbidden`: too much for one day; `bad_request`: no picture; `not_found`:
    there is no such upload, or it has expired), AuthenticationFailed, OSError when the server was away for too long,
    and Malformed.
    """

    def __init__(self, login: Login, *, chunk: int = CHUNK, pause_s: float = PAUSE_S) -> None:
        self._login = login
        self._chunk = chunk
        self._pause_s = pause_s

    async def upload(
        self,
        file: Path | bytes | BinaryIO,
        *,
        name: str | None = None,
        progress: Progress | None = None,
        started: Callable[[str], None] | None = None,
    ) -> str:
        """Bring in a picture; the id under which it is media.

        `progress` is called with how many bytes the server has, and of how many. `started` is called with the id before
        the first byte is sent: with it, `resume` goes on after this program has ended.
        """
        with _opened(file) as source:
            length = source.seek(0, os.SEEK_END)
            upload = await self._create(length, name)
            if started is not None:
                started(upload)
            return await self._send(upload, source, 0, length, progress)

    async def upload_direct(self, file: Path | bytes | BinaryIO, *, cid: str | None = None) -> str:
        """Bring in a picture by one PUT to the S3 where the server keeps them; the id, as from `upload`.

        It cannot be resumed, but whatever raised OSError may be said again, by the same `cid`. Raises Refused
        (`conflict_state`) too: the server keeps them elsewhere, or S3 refused the file.
        """
        with _opened(file) as source:
            length = source.seek(0, os.SEEK_END)
            said = await self._login.call("POST", f"{PATH}/direct", {"cid": cid or new_cid(), "bytes": length})
            source.seek(0)
            status, answer = await put(text_of(said, "url"), source, length)
        if status >= 500:
            raise ConnectionError(f"S3 answers {status}")
        if status >= 300:
            raise Refused("conflict_state", f"S3 answers {status}: {answer[:200]!r}")
        return text_of(await self._login.call("POST", f"{PATH}/{text_of(said, 'upload')}/complete"), "media")

    async def resume(self, upload: str, file: Path | bytes | BinaryIO, *, progress: Progress | None = None) -> str:
        """Go on with the same file; the id, as from `upload`."""
        with _opened(file) as source:
            length = source.seek(0, os.SEEK_END)
            offset = await self._offset(upload)
            return await self._send(upload, source, offset, length, progress)

    async def cancel(self, upload: str) -> None:
        """Have the server drop what it has of an upload that is not finished."""
        status, _, answer = await self._login.transfer("DELETE", f"{PATH}/{upload}", VERSION)
        if status >= 300:
            raise problem_of(PATH, status, answer)

    async def _create(self, length: int, name: str | None) -> str:
        headers = {**VERSION, "Upload-Length": str(length)}
        if name is not None:
            headers["Upload-Metadata"] = f"filename {base64.b64encode(name.encode()).decode()}"
        status, told, answer = await self._login.transfer("POST", PATH, headers)
        if status >= 300:
            raise problem_of(PATH, status, answer)
        upload = told.get("location", "").rstrip("/").rpartition("/")[2]
        if not upload:
            raise Malformed("the answer has no Location")
        return upload

    async def _offset(self, upload: str) -> int:
        status, told, _ = await self._login.transfer("HEAD", f"{PATH}/{upload}", VERSION)
        if status in (404, 410):
            raise Refused("not_found", "there is no such upload, or it has expired")
        if status >= 300:
            raise ConnectionError(f"the server answers {status}")
        return _offset_of(told)

    async def _send(self, upload: str, source: BinaryIO, offset: int, length: int, progress: Progress | None) -> str:
        fruitless, size = 0, self._chunk
        while True:
            if progress is not None:
                progress(offset, length)
            if offset >= length:
                return upload
            before = offset
            try:
                offset = await self._chunk_sent(upload, source, offset, size)
            except OSError:
                if fruitless == TRIES:
                    raise
            if offset == before:
                fruitless += 1
                if fruitless > TRIES:
                    raise ConnectionError("nothing of it gets through")
                size = max(size // 2, min(LEAST_CHUNK, self._chunk))
                await asyncio.sleep(random.uniform(0.5, 1) * min(self._pause_s * 2 ** (fruitless - 1), LONGEST_PAUSE_S))
                try:
                    offset = await self._offset(upload)
                except OSError:
                    if fruitless == TRIES:
                        raise
            # Others, or a request whose answer was lost, may have brought something too.
            fruitless = 0 if offset > before else fruitless

    async def _chunk_sent(self, upload: str, source: BinaryIO, offset: int, size: int) -> int:
        """How far the upload is then; as far as before when it has to be asked."""
        source.seek(offset)
        body = source.read(size)
        digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
        headers = {
            **VERSION,
            "Content-Type": BODY_TYPE,
            "Upload-Offset": str(offset),
            "Upload-Checksum": f"sha1 {digest}",
        }
        status, told, answer = await self._login.transfer("PATCH", f"{PATH}/{upload}", headers, body)
        if status < 300:
            return _offset_of(told)
        if status in AGAIN:
            return offset
        raise problem_of(PATH, status, answer)


def _opened(file: Path | bytes | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """What was opened here is closed at the end of the block; what the caller had open stays so."""
    if isinstance(file, Path):
        return file.open("rb")
    return nullcontext(io.BytesIO(file) if isinstance(file, bytes) else file)


def _offset_of(told: Mapping[str, str]) -> int:
    text = told.get("upload-offset", "")
    if not text.isdecimal():
        raise Malformed("the answer has no Upload-Offset")
    return int(text)
