"""Uploads straight to S3, over HTTP: announcing one, and saying that it was put."""

from collections.abc import Mapping

from msgspec import UNSET

from persistence.uploads.postgres import Upload
from protocol.errors import ID_REUSED
from protocol.media import MediaId
from protocol.uploads import AnnounceUpload, UploadAnnounced, UploadReceived
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.tokens import Caller
from server.uploads.refusals import NO_DIRECT


async def _announce(services: Services, caller: Caller, call: Call) -> Answer:
    body: AnnounceUpload = call.body
    uploads = services.contents.uploads
    if not uploads.goes_direct:
        return NO_DIRECT.refusal
    made = await uploads.create(caller.user, body.bytes, "", body.cid)
    if not isinstance(made, Upload):
        return made.refusal
    if made.length != body.bytes:
        return ID_REUSED
    return UploadAnnounced(made.id, uploads.direct_url(made), made.expires_at, True if made.known else UNSET)


async def _complete(services: Services, caller: Caller, call: Call) -> Answer:
    if not services.contents.uploads.goes_direct:
        return NO_DIRECT.refusal
    received = await services.contents.uploads.complete(call.place.id, caller.user)
    if not isinstance(received, Upload):
        return received.refusal
    return UploadReceived(received.id, MediaId(received.id))


UPLOAD_HANDLERS: Mapping[str, Handler] = {"upload.announce": _announce, "upload.complete": _complete}
