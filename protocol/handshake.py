"""The opening handshake of a socket (RFC 6455 §4.2), without I/O: the first bytes of a connection and what to answer.

The same port serves HTTP, so what is not `GET /v1/socket` is `Elsewhere` and keeps its bytes. Nothing that is returned
holds the request's target: a token that was put there is refused and must not reach a log.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct

from protocol.codec import BY_SUBPROTOCOL, JSON, Codec
from protocol.errors import Code

MAX_HEAD: Final = 8 * 1024
"""Bytes of the request line and all headers, with the empty line that ends them."""


class Upgrade(Struct, frozen=True):
    """The socket is accepted once `response` is sent; bytes after the first `consumed` are already frames."""

    codec: Codec
    response: bytes
    consumed: int
    headers: Mapping[str, str]
    """`x-forwarded-for`, when it was sent; no other header leaves this module."""


class Refused(Struct, frozen=True):
    """To be answered with `response`, which ends the connection. `code` is one of docs/protocol.md §2."""

    status: int
    code: Code
    detail: str
    response: bytes


class Elsewhere(Struct, frozen=True):
    """Not a socket: HTTP's, with every byte."""


class Incomplete(Struct, frozen=True):
    """More bytes are needed to tell."""


ROUTE: Final = b"GET /v1/socket"
"""How every request for a socket begins."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEPT: Final[tuple[str, ...]] = ("x-forwarded-for",)
_TOKEN_KEYS: Final = frozenset(("token", "access_token", "authorization"))
_ONCE: Final = frozenset(
    ("host", "origin", "sec-websocket-key", "sec-websocket-version", "content-length", "transfer-encoding")
)
_CONTROLS: Final = bytes({*range(0x20), 0x7F} - set(b"\t\r\n"))
# All patterns are runs of one character class, so matching takes linear time.
_TARGET: Final = re.compile(rb"[!-~]+")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+)(?::[0-9]*)?")
_KEY: Final = re.compile(r"[0-9A-Za-z+/]{22}==")
_FIXED: Final = re.compile(r"https?://((?:\[[0-9a-f:.]+\]|[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|localhost)(?::[0-9]+)?)")


def _refuse(status: int, code: Code, detail: str, *headers: str) -> Refused:
    """An RFC 9457 problem document. It has no `Date`: there is no clock here (RFC 9110 §6.6.1)."""
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    body = json.dumps(problem)
    lines = (
        f"HTTP/1.1 {status} {title}",
        *(headers or ("Connection: close",)),
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
    )
    return Refused(status, code, detail, "\r\n".join((*lines, "", body)).encode())


_TOO_LARGE: Final = _refuse(431, "too_large", f"the request's head is over {MAX_HEAD} bytes")
_CONTROL_BYTE: Final = _refuse(400, "bad_request", "there is a control byte in the request's head")
_REQUEST_LINE: Final = _refuse(400, "bad_request", "the request line is not `GET /v1/socket HTTP/1.1`")
_TOKEN_IN_URL: Final = _refuse(400, "bad_request", "a token may not stand in a URL: it belongs into hello")
_HEADER_LINE: Final = _refuse(400, "bad_request", "a header line is malformed")
_HEADER_TWICE: Final = _refuse(400, "bad_request", f"one of these headers is there twice: {', '.join(sorted(_ONCE))}")
_HOST_INVALID: Final = _refuse(400, "bad_request", "Host is missing or malformed")
_BODY: Final = _refuse(400, "bad_request", "an upgrade has no body")
_NO_UPGRADE: Final = _refuse(400, "bad_request", "`Connection: Upgrade` and `Upgrade: websocket` are needed")
_KEY_INVALID: Final = _refuse(400, "bad_request", "Sec-WebSocket-Key is missing or not 16 bytes in base64")
_ORIGIN: Final = _refuse(403, "forbidden", "the origin is not allowed")
_SUBPROTOCOL: Final = _refuse(400, "bad_request", f"the subprotocols are {' and '.join(BY_SUBPROTOCOL)}")
_VERSION: Final = _refuse(
    426,
    "bad_request",
    "the version of WebSocket is 13",
    "Connection: close, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
)


def over_budget(retry_s: int) -> Refused:
    """The node has no room for one more socket; to be tried again after `retry_s` seconds."""
    detail = "this node has no room for one more socket"
    return _refuse(503, "unavailable", detail, "Connection: close", f"Retry-After: {retry_s}")


def parse(head: bytes, origins: frozenset[str]) -> Upgrade | Refused | Elsewhere | Incomplete:
    """Judge all the bytes that a connection has sent so far; the answer does not depend on how they were cut.

    `origins` are serialised origins in lower case (`https://chat.example`), `*` allows every one. A request
    without an origin is always allowed: that is no browser. So is a page from the very host and port that is asked,
    if that host is a number or `localhost`: a name can be bound to our address by whoever owns it (DNS rebinding),
    and then a foreign page would name our host in both headers. Names that are ours belong into `origins`.
    """
    if not head.startswith(ROUTE):
        return Incomplete() if ROUTE.startswith(head) else Elsewhere()
    if len(head) > len(ROUTE) and head[len(ROUTE)] not in b" ?":
        return Elsewhere()
    end = head.find(b"\r\n\r\n", 0, MAX_HEAD)
    text = head[: MAX_HEAD if end < 0 else end + 2]
    if _has_controls(text):
        return _CONTROL_BYTE
    if end < 0:
        return Incomplete() if len(head) < MAX_HEAD else _TOO_LARGE
    line, *lines = text[:-2].split(b"\r\n")
    headers = _line_refusal(line) or _read_headers(lines)
    if isinstance(headers, Refused):
        return headers
    return _refusal(headers, origins) or _accept(headers, end + 4)


def _has_controls(text: bytes) -> bool:
    """Whether there is a control byte, or a CR or LF that is no part of a line's end; a CR at the end may become one.

    In C, and not a pattern, because it sees the whole head again with every byte that trickles in.
    """
    ends = text.count(b"\r\n")
    if text.count(b"\n") != ends or text.removesuffix(b"\r").count(b"\r") != ends:
        return True
    return len(text.translate(None, _CONTROLS)) != len(text)


def _line_refusal(line: bytes) -> Refused | None:
    _, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    if version != b"HTTP/1.1" or not _TARGET.fullmatch(target):
        return _REQUEST_LINE
    query = target.partition(b"?")[2].decode().replace(";", "&")
    keys = (key.strip().lower() for key, _ in parse_qsl(query, keep_blank_values=True))
    return None if _TOKEN_KEYS.isdisjoint(keys) else _TOKEN_IN_URL


def _read_headers(lines: list[bytes]) -> dict[str, str] | Refused:
    """Names in lower case; what may be repeated is joined by commas (RFC 9110 §5.3)."""
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        if not (colon and _NAME.fullmatch(raw_name)):
            return _HEADER_LINE
        name = raw_name.decode().lower()
        value = raw_value.strip(b" \t").decode("latin-1")
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            return _HEADER_TWICE
        else:
            headers[name] += f",{value}"
    return headers


def _listed(value: str) -> list[str]:
    return [item for part in value.split(",") if (item := part.strip(" \t"))]


def _refusal(headers: dict[str, str], origins: frozenset[str]) -> Refused | None:
    """RFC 6455 §4.2.1, and RFC 9112 §3.2 for Host."""
    if not _HOST.fullmatch(headers.get("host", "").lower()):
        return _HOST_INVALID
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return _BODY
    connection, upgrade = (_listed(headers.get(name, "").lower()) for name in ("connection", "upgrade"))
    if "upgrade" not in connection or "websocket" not in upgrade:
        return _NO_UPGRADE
    if headers.get("sec-websocket-version") != "13":
        return _VERSION
    if not _KEY.fullmatch(headers.get("sec-websocket-key", "")):
        return _KEY_INVALID
    if "origin" in headers and not _is_allowed(headers["origin"].lower(), headers["host"].lower(), origins):
        return _ORIGIN
    return None


def _is_allowed(origin: str, host: str, origins: frozenset[str]) -> bool:
    if not origins.isdisjoint((origin, "*")):
        return True
    fixed = _FIXED.fullmatch(origin)
    return fixed is not None and fixed[1] == host


def _accept(headers: dict[str, str], consumed: int) -> Upgrade | Refused:
    """The client's first known subprotocol; JSON, and none named, when it offers none (docs/protocol.md §1)."""
    offered = _listed(headers.get("sec-websocket-protocol", ""))
    known = next((BY_SUBPROTOCOL[name] for name in offered if name in BY_SUBPROTOCOL), None)
    if offered and known is None:
        return _SUBPROTOCOL
    accept = b64encode(sha1(headers["sec-websocket-key"].encode() + _GUID, usedforsecurity=False).digest()).decode()
    response = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n"
    )
    if known is not None:
        response += f"Sec-WebSocket-Protocol: {known.subprotocol}\r\n"
    kept = {name: headers[name] for name in _KEPT if name in headers}
    return Upgrade(known or JSON, f"{response}\r\n".encode(), consumed, kept)
