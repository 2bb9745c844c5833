"""What has no JSON, as the OpenAPI document describes it: uploads by tus 1.0, and pictures (docs/protocol.md §9)."""

from typing import Any

from protocol.ids import ID
from protocol.media import VARIANTS
from protocol.problems import MEDIA_TYPE, Problem
from protocol.schemas import reference

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": ID.pattern}}

_WHY = {
    400: "bad_request: a header is missing, or cannot be read",
    401: "unauthenticated",
    403: "forbidden: too much for these 24 hours",
    404: "not_found",
    408: "bad_request: the body came too slowly; go on from where the upload stands",
    409: "conflict_state: the upload stands elsewhere, is finished, or too many are not",
    410: "not_found: it has expired or was ended",
    412: "bad_request: another Tus-Resumable",
    413: "too_large",
    415: "bad_request: no picture that is taken, or another Content-Type",
    416: "no such range",
    423: "unavailable: somebody else writes it now",
    429: "rate_limited",
    460: "bad_request: other bytes came than Upload-Checksum says; nothing of them counts",
    500: "internal",
    503: "unavailable",
}
_ALWAYS = (401, 412, 429, 500, 503)
_WRITTEN = (400, 403, 404, 408, 409, 410, 413, 415, 423, 460)


def _header(name: str, said: str, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": said,
        "schema": {"type": "string"} | schema,
    }


_VERSION = _header("Tus-Resumable", "the version of tus", True, const="1.0.0")
_CHECKSUM = _header("Upload-Checksum", "sha1, sha256 or md5 of the body: its name, a space, the hash in base64")
_BODY = {"content": {"application/offset+octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


def _told(*names: str) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"schema": {"type": "string"}} for name in names}


def _refused(*statuses: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": reference(Problem)}}
    return {str(status): {"description": _WHY[status], "content": content} for status in sorted(statuses)}


def _tus(name: str, summary: str, done: int, headers: dict[str, Any], *refused: int, **more: Any) -> dict[str, Any]:
    answers = {str(done): {"description": "done", "headers": headers}} | _refused(*refused, *_ALWAYS)
    operation = {"operationId": f"upload.{name}", "summary": summary, "tags": ["upload"], "responses": answers}
    return operation | {"parameters": [_VERSION, *more.pop("parameters", ())]} | more


_DISCOVERY = {
    "summary": "What this server can: Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm",
    "tags": ["upload"],
    "security": list[Any](),
    "responses": {
        "204": {
            "description": "done",
            "headers": _told("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
        }
    },
}

_SHOWN = {
    str(status): {
        "description": said,
        "headers": _told("ETag", "Cache-Control", *more),
        "content": {type: {"schema": {"type": "string", "format": "binary"}} for type in ("image/jpeg", "image/webp")},
    }
    for status, said, more in ((200, "the picture", ()), (206, "the range that was asked for", ("Content-Range",)))
}

OCTET_PATHS: dict[str, Any] = {
    "/v1/uploads": {
        "options": {"operationId": "upload.discover", **_DISCOVERY},
        "post": _tus(
            "create",
            "Announce an upload, and bring its first bytes if there is a body; the id in Location is the media's",
            201,
            _told("Location", "Upload-Offset", "Upload-Expires"),
            *(status for status in _WRITTEN if status != 408),
            parameters=[
                _header("Upload-Length", "how many bytes will come", True, pattern="^[0-9]{1,15}$"),
                _header("Upload-Metadata", "kept, and told by HEAD", maxLength=4_096),
                _CHECKSUM,
            ],
            requestBody=_BODY,
        ),
    },
    "/v1/uploads/{id}": {
        "options": {"operationId": "upload.discover_one", "parameters": [_ID], **_DISCOVERY},
        "head": _tus(
            "look",
            "How far it is",
            200,
            _told("Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Metadata"),
            *(404, 410),
            parameters=[_ID],
        ),
        "patch": _tus(
            "write",
            "Bring the bytes from Upload-Offset on",
            204,
            _told("Upload-Offset", "Upload-Expires"),
            *_WRITTEN,
            parameters=[
                _ID,
                _header("Upload-Offset", "at which byte the body begins", True, pattern="^[0-9]{1,15}$"),
                _CHECKSUM,
            ],
            requestBody={"required": True, **_BODY},
        ),
        "delete": _tus("end", "Cancel an upload that is not finished", 204, {}, 404, 409, 410, parameters=[_ID]),
    },
    "/v1/media/{id}/{variant}": {
        "get": {
            "operationId": "media.show",
            "summary": "A picture, by the `url` of a MEDIA; Accept: image/webp, or it is a JPEG. Ranges are served",
            "tags": ["media"],
            # The address itself says for whom it was made.
            "security": list[Any](),
            "parameters": [
                _ID,
                {"name": "variant", "in": "path", "required": True, "schema": {"enum": list(VARIANTS)}},
                *(
                    {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
                    for name in ("viewer", "until", "signature")
                ),
            ],
            "responses": {
                **_SHOWN,
                "304": {"description": "not changed since the ETag sent along"},
                "416": {"description": _WHY[416], "headers": _told("Content-Range")},
                **_refused(404, 429, 500, 503),
            },
        }
    },
}
"""The paths of the document whose bodies are bytes."""
