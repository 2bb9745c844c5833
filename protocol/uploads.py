"""Uploads straight to S3, by a URL for one PUT (docs/protocol.md §9); those by tus have no JSON."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import CID, Millis
from protocol.media import MediaId
from protocol.route import ById, Route


class AnnounceUpload(Struct, frozen=True, gc=False):
    """A picture of so many bytes."""

    cid: Annotated[str, CID]
    bytes: Annotated[int, Meta(ge=1, le=1 << 40)]


class UploadAnnounced(Struct, frozen=True, gc=False, omit_defaults=True):
    """`url` takes one PUT of exactly these bytes until `expires_at` at the latest; then complete it."""

    upload: str
    url: str
    expires_at: Millis
    dup: bool | UnsetType = UNSET


class UploadReceived(Struct, frozen=True, gc=False):
    """It is `media` from now on, to be named wherever media is named."""

    upload: str
    media: MediaId


UPLOAD_ROUTES: tuple[Route, ...] = (
    Route(
        name="upload.announce",
        method="POST",
        path="/v1/uploads/direct",
        summary="Upload straight to S3; conflict_state: objects are not in S3, or too many uploads are not finished; "
        "not_found: what this cid announced has ended",
        answer=UploadAnnounced,
        status=201,
        bodies=(AnnounceUpload,),
        refusals=("conflict_state", "forbidden", "id_reused", "not_found", "too_large"),
    ),
    Route(
        name="upload.complete",
        method="POST",
        path="/v1/uploads/{id}/complete",
        summary="What was announced has been put to its URL; conflict_state: it has not, or not as it was announced",
        answer=UploadReceived,
        place=ById,
        refusals=("not_found", "conflict_state"),
    ),
)
