"""The web page at `/`: the files of clients/web, held in memory and served by exactly their names.

They are served under no limit of their own: one is a look into a dictionary, as cheap as the refusal would be.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import web
from msgspec import Struct

FOLDER = Path(__file__).parents[2] / "clients" / "web"
"""Where they are, in the source tree and, as the wheel puts them beside the packages, in an installation."""

TYPES: Mapping[str, str] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
PREFIX = "/web/"
INDEX = "index.html"


class File(Struct, frozen=True):
    """One file as it is answered; `tag` is its entity tag without quotes."""

    body: bytes
    content_type: str
    tag: str


class Page:
    """The page, whose sockets are where `socket_source` says, a source of Content-Security-Policy (CSP 3, §2.3.1).

    Without the files, which an installation may leave out, there is no page. Files of other kinds are not served.
    """

    def __init__(self, socket_source: str, folder: Path = FOLDER) -> None:
        self._files = {path.name: _read(path) for path in sorted(folder.glob("*")) if path.suffix in TYPES}
        self._headers = {
            "Cache-Control": "public, no-cache",
            "Content-Security-Policy": (
                f"default-src 'self'; connect-src 'self' {socket_source}; img-src 'self' data: blob:; "
                "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
                # No text may become HTML or code: not by us either (Trusted Types).
                "require-trusted-types-for 'script'; trusted-types 'none'"
            ),
            # The addresses of pictures are signed for one viewer: they go nowhere else.
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }

    def add_to(self, app: web.Application) -> None:
        """Serve `/`, and each file under `/web/`. What a path names is only ever compared, never opened."""
        for name, file in self._files.items():
            app.router.add_get("/" if name == INDEX else f"{PREFIX}{name}", self._endpoint(file))

    def _endpoint(self, file: File) -> Callable[[web.Request], Awaitable[web.Response]]:
        headers = {**self._headers, "ETag": f'"{file.tag}"'}

        async def endpoint(request: web.Request) -> web.Response:
            named = request.if_none_match or ()
            if any(etag.value in (file.tag, "*") for etag in named):
                return web.Response(status=304, headers=headers)
            return web.Response(body=file.body, headers=headers, content_type=file.content_type, charset="utf-8")

        return endpoint


def _read(path: Path) -> File:
    body = path.read_bytes()
    tag = base64.urlsafe_b64encode(hashlib.blake2b(body, digest_size=12).digest()).decode()
    return File(body, TYPES[path.suffix], tag)
