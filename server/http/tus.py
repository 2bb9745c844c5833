"""tus 1.0 (tus.io/protocols/resumable-upload) at /v1/uploads: creation, creation-with-upload, checksum, expiration,
termination. Bodies are streamed; what is decided about them is in `server.uploads`."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate

from aiohttp import hdrs, web

from persistence.faults import UnavailableError
from persistence.uploads.postgres import Upload
from protocol.errors import Refusal
from protocol.ids import UserId
from server.http.answers import refused
from server.http.bodies import parts_of
from server.http.rates import Verdict, rate_headers
from server.http.reading import COMPRESSED
from server.tokens import Caller
from server.uploads.refusals import CROWDED, SLOW, UploadRefusal
from server.uploads.uploads import ALGORITHMS, Checksum, Uploads

PATH = "/v1/uploads"
VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
BODY_TYPE = "application/offset+octet-stream"
METADATA_CHARACTERS = 4_096

_NUMBER = re.compile(r"[0-9]{1,15}")
_HOST = re.compile(r"[\w.:\[\]-]{1,255}", re.ASCII)
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")

OTHER_VERSION = UploadRefusal(Refusal("bad_request", f"Tus-Resumable: this server speaks {VERSION}"), 412)
OTHER_TYPE = UploadRefusal(Refusal("bad_request", f"Content-Type: it has to be {BODY_TYPE}"), 415)
NO_LENGTH = UploadRefusal(Refusal("bad_request", "Upload-Length: say how many bytes will come, at least 1"))
NO_OFFSET = UploadRefusal(Refusal("bad_request", "Upload-Offset: say at which byte the body begins"))
NO_CONCAT = UploadRefusal(Refusal("bad_request", "Upload-Concat: this server does not join uploads"))
BAD_METADATA = UploadRefusal(
    Refusal(
        "bad_request",
        f"Upload-Metadata: keys with values in base64, commas between; {METADATA_CHARACTERS:,} characters, no NUL",
    )
)
BAD_CHECKSUM = UploadRefusal(
    Refusal("bad_request", f"Upload-Checksum: one of {', '.join(ALGORITHMS)}, a space, and the hash in base64")
)

Admit = Callable[[web.Request, list[Verdict]], Caller | Refusal]
Answering = Callable[[web.Request, UserId], Awaitable[web.Response | UploadRefusal]]


def add_tus(app: web.Application, uploads: Uploads, admit: Admit) -> None:
    """Its routes; `admit` says who asks."""
    tus = Tus(uploads, admit)
    one = f"{PATH}/{{id:[1-9][0-9]{{0,17}}|[1-8][0-9]{{18}}}}"
    # One path after the other: what is added in between would make a second resource of the same path.
    app.router.add_route(hdrs.METH_OPTIONS, PATH, tus.discover)
    app.router.add_route(hdrs.METH_POST, PATH, tus.answering(tus.create))
    app.router.add_route(hdrs.METH_OPTIONS, one, tus.discover)
    app.router.add_route(hdrs.METH_POST, one, tus.override)
    for method, answer in tus.methods.items():
        app.router.add_route(method, one, answer)
    app.on_response_prepare.append(_tell_version)


class Tus:
    """The protocol's methods over `uploads`."""

    def __init__(self, uploads: Uploads, admit: Admit) -> None:
        self._uploads = uploads
        self._admit = admit
        self.methods: Mapping[str, Callable[[web.Request], Awaitable[web.Response]]] = {
            hdrs.METH_HEAD: self.answering(self.look),
            hdrs.METH_PATCH: self.answering(self.write),
            hdrs.METH_DELETE: self.answering(self.end),
        }

    def answering(self, answer: Answering) -> Callable[[web.Request], Awaitable[web.Response]]:
        """The method for those who speak this version and may come in."""

        async def endpoint(request: web.Request) -> web.Response:
            if request.headers.get("Tus-Resumable") != VERSION:
                return _refused(OTHER_VERSION, {"Tus-Version": VERSION})
            verdicts: list[Verdict] = []
            caller = self._admit(request, verdicts)
            if isinstance(caller, Refusal):
                return refused(caller, rate_headers(verdicts))
            response = await answer(request, caller.user)
            if isinstance(response, UploadRefusal):
                return _refused(response, rate_headers(verdicts))
            response.headers.update({"Cache-Control": "no-store", **rate_headers(verdicts)})
            return response

        return endpoint

    async def override(self, request: web.Request) -> web.Response:
        """Of clients whose surroundings know neither PATCH nor DELETE."""
        answer = self.methods.get(request.headers.get("X-HTTP-Method-Override", "").upper())
        if answer is None:
            raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_OPTIONS, *self.methods])
        return await answer(request)

    async def discover(self, request: web.Request) -> web.Response:
        """What this server can."""
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._uploads.granted.file_bytes),
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        }
        return web.Response(status=204, headers=headers)

    async def create(self, request: web.Request, user: UserId) -> web.Response | UploadRefusal:
        length, metadata = _number(request, "Upload-Length"), _metadata(request)
        if not length:
            return NO_LENGTH
        if metadata is None:
            return BAD_METADATA
        if "Upload-Concat" in request.headers:
            return NO_CONCAT
        brings = request.can_read_body and request.content_type == BODY_TYPE
        if request.can_read_body and not brings:
            return OTHER_TYPE
        upload = await self._uploads.create(user, length, metadata)
        if isinstance(upload, Upload) and brings:
            upload = await self._begun(request, user, upload)
        if isinstance(upload, UploadRefusal):
            return upload
        return web.Response(status=201, headers={"Location": _place(request, upload), **_standing(upload)})

    async def _begun(self, request: web.Request, user: UserId, upload: Upload) -> Upload | UploadRefusal:
        """What came with the creation. If that is only to be sent again, the upload is there to go on with, and else it
        ends: who is not told where it is would create another one, and in the end have too many."""
        try:
            written = await self._write(request, user, upload.id, 0)
            if request.transport is None:
                # It broke off. What came whole is a picture all the same, and cannot be ended.
                await self._uploads.end(upload.id, user)
                return written
            if not isinstance(written, UploadRefusal):
                return written
            if written in (CROWDED, SLOW):
                # What came counts.
                return await self._uploads.look(upload.id, user)
            if written.refusal.code in ("unavailable", "rate_limited"):
                return upload
            await self._uploads.end(upload.id, user)
        except UnavailableError:
            return upload
        return written

    async def look(self, request: web.Request, user: UserId) -> web.Response | UploadRefusal:
        upload = await self._uploads.look(request.match_info["id"], user)
        if isinstance(upload, UploadRefusal):
            return upload
        headers = {"Upload-Length": str(upload.length), **_standing(upload)}
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return web.Response(headers=headers)

    async def write(self, request: web.Request, user: UserId) -> web.Response | UploadRefusal:
        offset = _number(request, "Upload-Offset")
        if request.content_type != BODY_TYPE:
            return OTHER_TYPE
        if offset is None:
            return NO_OFFSET
        upload = await self._write(request, user, request.match_info["id"], offset)
        return upload if isinstance(upload, UploadRefusal) else web.Response(status=204, headers=_standing(upload))

    async def end(self, request: web.Request, user: UserId) -> web.Response | UploadRefusal:
        return await self._uploads.end(request.match_info["id"], user) or web.Response(status=204)

    async def _write(self, request: web.Request, user: UserId, id: str, offset: int) -> Upload | UploadRefusal:
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
            return UploadRefusal(COMPRESSED)
        check = _checksum(request)
        if isinstance(check, UploadRefusal):
            return check
        places = self._uploads.places
        parts = parts_of(request, self._uploads.granted.stall_ms / 1_000, lambda: places.are_taken)
        return await self._uploads.write(id, user, offset, request.content_length, parts, check)


async def _tell_version(request: web.Request, response: web.StreamResponse) -> None:
    if request.method != hdrs.METH_OPTIONS and request.path.startswith(PATH):
        response.headers["Tus-Resumable"] = VERSION


def _refused(told: UploadRefusal, headers: Mapping[str, str]) -> web.Response:
    response = refused(told.refusal, headers, told.status)
    if told in (CROWDED, SLOW):
        response.force_close()
    return response


def _place(request: web.Request, upload: Upload) -> str:
    """An absolute URL: not every client can resolve another one.

    Whoever names a host or a scheme that is not ours is sent there themselves, and nobody else.
    """
    path = f"{PATH}/{upload.id}"
    if not _HOST.fullmatch(request.host):
        return path
    scheme = "https" if request.headers.get("X-Forwarded-Proto") == "https" else "http"
    return f"{scheme}://{request.host}{path}"


def _standing(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.received)}
    if not upload.finished:
        headers["Upload-Expires"] = formatdate(upload.expires_at / 1_000, usegmt=True)
    return headers


def _number(request: web.Request, name: str) -> int | None:
    text = request.headers.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _metadata(request: web.Request) -> str | None:
    """As it was sent, if it can be read. Nothing in it is ever used as a name of ours."""
    text = request.headers.get("Upload-Metadata", "")
    if len(text) > METADATA_CHARACTERS:
        return None
    for pair in text.split(",") if text else ():
        key, _, value = pair.strip().partition(" ")
        octets = _unbase64(value)
        if not _KEY.fullmatch(key) or octets is None or b"\0" in octets:
            return None
    return text


def _checksum(request: web.Request) -> Checksum | UploadRefusal | None:
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    expected = _unbase64(encoded)
    if algorithm not in ALGORITHMS or expected is None or len(expected) != ALGORITHMS[algorithm]().digest_size:
        return BAD_CHECKSUM
    return Checksum(algorithm, expected)


def _unbase64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
