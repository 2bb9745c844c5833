"""GET /v1/media/{id}/{variant}: pictures, by addresses that were made for viewers who may see them still."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

from aiohttp import hdrs, web

from persistence.faults import UnavailableError
from persistence.objects.contract import ObjectAbsent
from protocol.errors import Refusal
from server.http.answers import refused
from server.http.rates import Verdict, rate_headers
from server.media.pictures import Picture, Pictures

PATH = "/v1/media/{id:[0-9]+}/{variant}"
# The same whatever is wrong: who guesses learns nothing.
NO_SUCH_PICTURE = Refusal("not_found", "there is no such picture, or its address is too old or not meant for you")
PART_S = 60.0
"""How long somebody may take to read a part of 256 KiB: it holds memory and an open file here."""
LATE_S = 1.0
"""How long a picture that was asked for in time may go on to be sent when its address has ended."""
TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}

Spend = Callable[[web.Request, str | None, list[Verdict]], Refusal | None]
"""Counts a request against its viewer, or its address if there is none; the refusal if it is one too many."""


def add_media(app: web.Application, pictures: Pictures, spend: Spend) -> None:
    """Its route."""
    serving = PictureServing(pictures, spend)
    app.router.add_route(hdrs.METH_GET, PATH, serving.show)
    app.router.add_route(hdrs.METH_HEAD, PATH, serving.show)


class PictureServing:
    """Whatever is wrong is answered alike: with 404."""

    def __init__(self, pictures: Pictures, spend: Spend) -> None:
        self._pictures = pictures
        self._spend = spend

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One picture, or a part of it."""
        verdicts: list[Verdict] = []
        signed = self._signed(request)
        if refusal := self._spend(request, signed and signed[0], verdicts):
            return refused(refusal, rate_headers(verdicts))
        format = _format(request)
        where = request.match_info["id"], request.match_info["variant"]
        picture = await self._pictures.find(*where, *signed, format) if signed else None
        if picture is None:
            return refused(NO_SUCH_PICTURE)
        headers = {
            "Cache-Control": f"private, immutable, max-age={picture.left_ms // 1_000}",
            "ETag": f'"{"-".join(where)}-{format}"',
            "Accept-Ranges": "bytes",
            "Content-Disposition": "inline",
            # Should it ever be taken for a page, it is one that can do nothing.
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Vary": "Accept",
        }
        return await self._answered(request, picture, headers, TYPES[format])

    def _signed(self, request: web.Request) -> tuple[str, int] | None:
        """For whom and until when, if we signed that."""
        viewer, until, signature = (request.query.get(name, "") for name in ("viewer", "until", "signature"))
        if not (until.isascii() and until.isdecimal() and len(until) < 16):
            return None
        media = request.match_info["id"]
        return (viewer, int(until)) if self._pictures.addresses.holds(viewer, media, int(until), signature) else None

    async def _answered(
        self, request: web.Request, picture: Picture, headers: dict[str, str], type: str
    ) -> web.StreamResponse:
        if any(etag.value in (headers["ETag"].strip('"'), "*") for etag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        part = _part(request, picture.size, headers["ETag"])
        if part is None:
            headers["Content-Range"] = f"bytes */{picture.size}"
            return web.Response(status=416, headers={**headers, "Cache-Control": "no-store"})
        start, end = part
        status = 200
        if (start, end) != (0, picture.size):
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{picture.size}"
        headers["Content-Length"] = str(end - start)
        headers["Content-Type"] = type
        response = web.StreamResponse(status=status, headers=headers)
        try:
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                await self._write(response, picture, start, end)
            await response.write_eof()
        except (UnavailableError, ObjectAbsent, ConnectionError, TimeoutError):
            # Some of it is out, so that nothing else can be said: it breaks off.
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _write(self, response: web.StreamResponse, picture: Picture, start: int, end: int) -> None:
        in_time = asyncio.timeout(picture.left_ms / 1_000 + LATE_S)
        # Its file is closed also when whoever asked is gone before the end.
        async with in_time, aclosing(self._pictures.read(picture, start, end)) as parts:
            async for octets in parts:
                async with asyncio.timeout(PART_S):
                    await response.write(octets)


def _format(request: web.Request) -> str:
    """WebP for whoever names it (RFC 9110 §12.5.1): whoever takes anything may be an old program."""
    for accepted in ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(","):
        name, _, parameters = accepted.partition(";")
        if name.strip().lower() == "image/webp":
            weight = parameters.replace(" ", "").lower()
            return "jpg" if weight in ("q=0", "q=0.0", "q=0.00", "q=0.000") else "webp"
    return "jpg"


def _part(request: web.Request, size: int, tag: str) -> tuple[int, int] | None:
    """From where to where is asked for (RFC 9110 §14): all of it unless one range is named that can be read, and that
    is meant for what is here. None: there is nothing in it."""
    if request.headers.get("If-Range", tag) != tag:
        return 0, size
    try:
        asked = request.http_range
    except ValueError:
        return 0, size
    if asked.start is None:
        return 0, size
    start = max(0, size + asked.start) if asked.start < 0 else asked.start
    end = size if asked.stop is None else min(asked.stop, size)
    return (start, end) if start < end else None
