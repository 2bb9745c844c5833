"""Receiving one body into an upload: pieces are made durable among the objects, and only then counted in Postgres.

    body ── piece ── objects: durable ── Postgres: `received` goes up, if this is still the latest claim
                                            └─ with the last one it becomes media, in the same statement

Where that breaks off, at any place and by kill -9 too, the upload stands where `received` says. A piece that was not
counted lies there for nothing: the next writer has a later claim in its pieces' names (`server.uploads.assembling`).
"""

import hmac
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from persistence.objects.contract import Objects
from persistence.uploads.postgres import PostgresUploads, Upload
from server.media.sniffing import HEAD_BYTES, sniffed, tells
from server.uploads.assembling import piece_key
from server.uploads.progress import Progress
from server.uploads.refusals import CROWDED, ELSEWHERE, MISMATCH, NO_PICTURE, OVERRUN, SLOW, UploadRefusal

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE = 4 << 20
"""Bytes of a piece, and so about the memory of one upload that sends."""
HOLD_MS = 5_000
"""So long after its last sign of life a writer that has died is in the way of the next one."""
SIGN_S = 1.0
"""How often a writer gives one, and the owner is told how far it is."""


class BodyEnded(Exception):
    """The body broke off, or was `slow`; `crowded`: while others may have waited for its place. What came counts."""

    def __init__(self, slow: bool, *, crowded: bool = False) -> None:
        self.slow = slow
        self.crowded = crowded


class Receiving:
    """One body on its way into `upload`, which this writer has claimed. `check`: a hash, and what it has to be.

    With a check nothing counts before the whole body was compared; without, each piece counts by itself.
    """

    def __init__(
        self,
        objects: Objects,
        uploads: PostgresUploads,
        progress: Progress,
        monotonic: Callable[[], float],
        upload: Upload,
        check: "tuple[_Hash, bytes] | None",
        piece: int = PIECE,
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._progress = progress
        self._monotonic = monotonic
        self.upload = upload
        self._check = check
        self._piece = piece
        self._buffer = bytearray()
        # How far bytes are durable; how far they count is in `upload`.
        self._stored = upload.received
        self._pieces: list[str] = []
        self._signed_at = monotonic()

    async def receive(self, parts: AsyncIterator[bytes]) -> UploadRefusal | None:
        """Take the body; None when all of it counts. Raises UnavailableError. `upload` says how far it is then."""
        try:
            refused = await self._take(parts)
        finally:
            await self._leave()
        return refused

    async def adopt(self) -> UploadRefusal | None:
        """All bytes are durable already, under the name of the piece from 0 on of claim 0. Raises UnavailableError, and
        ObjectAbsent: they are not."""
        try:
            head = b"".join([part async for part in self._objects.read(piece_key(self.upload.id, 0, 0), 0, HEAD_BYTES)])
            kind = sniffed(head)
            if kind is None:
                return NO_PICTURE
            self.upload, self._stored = replace(self.upload, head=head, type=f"image/{kind}"), self.upload.length
            return await self._count()
        finally:
            await self._leave()

    async def _take(self, parts: AsyncIterator[bytes]) -> UploadRefusal | None:
        ended: BodyEnded | None = None
        try:
            async for part in parts:
                if refused := await self._add(part):
                    return refused
        except BodyEnded as end:
            ended = end
        if self._check and (ended or not hmac.compare_digest(self._check[0].digest(), self._check[1])):
            return MISMATCH
        refused = self._look_at_head() or await self._store_all()
        if refused or not (ended and ended.slow):
            return refused
        return CROWDED if ended.crowded else SLOW

    async def _add(self, part: bytes) -> UploadRefusal | None:
        if self._stored + len(self._buffer) + len(part) > self.upload.length:
            return OVERRUN
        self._buffer += part
        if self._check:
            self._check[0].update(part)
        if refused := self._look_at_head():
            return refused
        while len(self._buffer) >= self._piece:
            if refused := await self._store(self._piece):
                return refused
        return await self._sign()

    def _look_at_head(self) -> UploadRefusal | None:
        """Is it a picture? Asked as soon as its first bytes are there."""
        upload = self.upload
        if upload.type is not None:
            return None
        head = upload.head + self._buffer[: HEAD_BYTES - len(upload.head)]
        if not tells(head) and len(head) < upload.length:
            return None
        kind = sniffed(head)
        if kind is None:
            return NO_PICTURE
        self.upload = replace(upload, type=f"image/{kind}")
        return None

    async def _sign(self) -> UploadRefusal | None:
        if (now := self._monotonic()) - self._signed_at < SIGN_S or self.upload.finished:
            return None
        self._signed_at = now
        self._tell()
        held = await self._uploads.hold(self.upload.id, self.upload.claim, HOLD_MS)
        return None if held else ELSEWHERE

    def _tell(self) -> None:
        upload = self.upload
        percent = 100 * (self._stored + len(self._buffer)) // upload.length
        self._progress.tell(upload.owner, upload.id, "received", min(percent, 99))

    async def _store_all(self) -> UploadRefusal | None:
        if self._buffer and (refused := await self._store(len(self._buffer))):
            return refused
        return await self._count()

    async def _store(self, size: int) -> UploadRefusal | None:
        piece, self._buffer = self._buffer, self._buffer[size:]
        del piece[size:]
        key = piece_key(self.upload.id, self._stored, self.upload.claim)
        self._pieces.append(key)
        await self._objects.put(key, piece)
        self._stored += size
        upload = self.upload
        if len(upload.head) < HEAD_BYTES:
            self.upload = replace(upload, head=upload.head + bytes(piece[: HEAD_BYTES - len(upload.head)]))
        return None if self._check else await self._count()

    async def _count(self) -> UploadRefusal | None:
        """What is durable counts from now on, unless somebody else writes."""
        upload, end = self.upload, self._stored
        if end == upload.received:
            return None
        # Should the answer be lost, they may count: then they stay.
        pieces, self._pieces = self._pieces, []
        if end == upload.length:
            counted = await self._uploads.finish(upload, upload.received)
        else:
            counted = await self._uploads.accept(upload, upload.received, end, HOLD_MS)
        if not counted:
            self._pieces = pieces
            return ELSEWHERE
        self.upload = replace(upload, received=end, finished=end == upload.length)
        if self.upload.finished:
            self._progress.tell(upload.owner, upload.id, "received", 100)
        return None

    async def _leave(self) -> None:
        """What does not count is removed; the next writer need not wait."""
        if not self.upload.finished:
            await self._uploads.release(self.upload)
            await self._objects.delete(self._pieces)
