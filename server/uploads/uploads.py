"""The uploads of one life of a node: announcing, writing, ending them, and what the direct way to S3 needs."""

from collections.abc import AsyncIterator, Callable, Coroutine
from hashlib import md5, sha1, sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from config.objects import Uploads as Granted
from persistence.objects.contract import ObjectAbsent, Objects
from persistence.uploads.postgres import PostgresUploads, Quota, Upload
from protocol.ids import UserId
from server.observe import Metrics
from server.uploads import refusals
from server.uploads.assembling import piece_key
from server.uploads.cleaning import Cleaning
from server.uploads.places import Places
from server.uploads.progress import Progress
from server.uploads.receiving import HOLD_MS, PIECE, Receiving
from server.uploads.refusals import UploadRefusal

if TYPE_CHECKING:
    from hashlib import _Hash

ALGORITHMS: "dict[str, Callable[[], _Hash]]" = {"sha1": sha1, "sha256": sha256, "md5": md5}
"""What Upload-Checksum may be made by."""
DIRECT_S = 3_600
"""How long the URL of a direct upload may be used; the upload's row outlives it (`persistence.uploads.statements`)."""


class Checksum(Struct, frozen=True):
    """What a body's bytes have to come to, by which of `ALGORITHMS`."""

    algorithm: str
    expected: bytes


class Uploads:
    """Everything that may be asked about uploads. All of it raises `UnavailableError`."""

    def __init__(
        self,
        objects: Objects,
        uploads: PostgresUploads,
        progress: Progress,
        granted: Granted,
        monotonic: Callable[[], float],
        piece: int = PIECE,
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._progress = progress
        self._monotonic = monotonic
        self._piece = piece
        self.granted = granted
        self.places = Places(granted.at_once, granted.per_user)
        self.cleaning = Cleaning(objects, uploads)
        self.finished = 0

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the node does."""
        return [self.cleaning.run()]

    def expose(self, metrics: Metrics) -> None:
        """Uploads that send, and what became of others."""
        metrics.gauges["tidings_uploads_sending"] = ("Uploads that send", lambda: len(self.places))
        metrics.counters["tidings_uploads_finished"] = ("Uploads received whole", lambda: self.finished)
        metrics.counters["tidings_uploads_expired"] = ("Uploads removed", lambda: self.cleaning.removed)

    async def create(self, owner: UserId, length: int, metadata: str, cid: str | None = None) -> Upload | UploadRefusal:
        """Announce an upload of so many bytes. One that was announced before, and has ended, is refused: its URL would
        outlive the row that leads to what is put there."""
        if length > self.granted.file_bytes:
            return refusals.OVERSIZE
        quota = Quota(self.granted.day_bytes, self.granted.day_files, self.granted.unfinished)
        made = await self._uploads.create(owner, length, metadata, self.granted.expire_s, quota, cid)
        if isinstance(made, Upload):
            return refusals.EXPIRED if made.expired else made
        return refusals.DAY_FULL if made == "day" else refusals.UNFINISHED_FULL

    async def look(self, id: str, owner: UserId) -> Upload | UploadRefusal:
        """How far it is."""
        return _open(await self._uploads.look(id, owner))

    async def write(
        self, id: str, owner: UserId, offset: int, size: int | None, parts: AsyncIterator[bytes], check: Checksum | None
    ) -> Upload | UploadRefusal:
        """Take a body of `size` bytes, if that is known, from `offset` on."""
        with self.places.taken(owner) as full:
            if full:
                return full
            claimed = await self._claim(id, owner, offset, size)
            if isinstance(claimed, UploadRefusal) or claimed.finished:
                return claimed
            hashed = (ALGORITHMS[check.algorithm](), check.expected) if check else None
            receiving = self._receiving(claimed, hashed)
            refused = await receiving.receive(parts)
            if refused is refusals.NO_PICTURE:
                await self.end(id, owner)
            self.finished += receiving.upload.finished
            return refused or receiving.upload

    def _receiving(self, upload: Upload, check: "tuple[_Hash, bytes] | None") -> Receiving:
        return Receiving(self._objects, self._uploads, self._progress, self._monotonic, upload, check, self._piece)

    async def _claim(self, id: str, owner: UserId, offset: int, size: int | None) -> Upload | UploadRefusal:
        """Who may write is decided by the claim; what stands against it is looked up for the answer's sake."""
        claimed = await self._uploads.claim(id, owner, offset, HOLD_MS)
        if claimed is None:
            found = await self.look(id, owner)
            if isinstance(found, UploadRefusal):
                return found
            if found.received != offset:
                return refusals.ELSEWHERE
            if found.is_spent and not (found.finished or found.held):
                return await self.end(id, owner) or refusals.EXPIRED
            if not found.finished:
                return refusals.HELD
            # The answer to the last bytes was lost, and nothing more is to come.
            return refusals.OVERRUN if size else found
        if size is not None and offset + size > claimed.length:
            await self._uploads.release(claimed)
            return refusals.OVERRUN
        return claimed

    async def end(self, id: str, owner: UserId) -> UploadRefusal | None:
        """Remove it with all that came of it; what is finished is media, and no upload any more."""
        if await self._uploads.end(id, owner):
            await self.cleaning.remove([id])
            return None
        found = await self.look(id, owner)
        return found if isinstance(found, UploadRefusal) else refusals.FINISHED

    @property
    def goes_direct(self) -> bool:
        """Whether clients may put to where objects are kept, without this server."""
        return self._objects.presigned(piece_key("0", 0, 0), 1) is not None

    def direct_url(self, upload: Upload) -> str:
        """Where the whole of it may be put by one request; only if it `goes_direct`."""
        return self._objects.presigned(piece_key(upload.id, 0, 0), min(self.granted.expire_s, DIRECT_S)) or ""

    async def complete(self, id: str, owner: UserId) -> Upload | UploadRefusal:
        """It was put to its URL: if it is what was announced, it is received. May be asked again."""
        found = await self.look(id, owner)
        if isinstance(found, UploadRefusal) or found.finished:
            return found
        # Looked for before it is claimed: claims are counted, and asking again and again must not use them up.
        size = await self._objects.size(piece_key(id, 0, 0))
        if size != found.length:
            return refusals.NOT_PUT if size is None else refusals.OTHER_SIZE
        claimed = await self._claim(id, owner, 0, None)
        if isinstance(claimed, UploadRefusal):
            # Another one may have been quicker.
            found = await self.look(id, owner)
            return found if isinstance(found, Upload) and found.finished else claimed
        receiving = self._receiving(claimed, None)
        try:
            refused = await receiving.adopt()
        except ObjectAbsent:
            # It was ended meanwhile, or what was put was removed.
            found = await self.look(id, owner)
            return found if isinstance(found, UploadRefusal) else refusals.NOT_PUT
        if refused is refusals.NO_PICTURE:
            await self.end(id, owner)
        self.finished += receiving.upload.finished
        return refused or receiving.upload


def _open(found: Upload | None) -> Upload | UploadRefusal:
    if found is None:
        return refusals.NO_SUCH_UPLOAD
    return refusals.EXPIRED if found.expired and not found.finished else found
