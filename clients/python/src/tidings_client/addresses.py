"""Addresses: the socket's from whatever the user configured, and which redirects are followed."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

SOCKET_PATH: Final = "/v1/socket"
_SOCKET_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_HTTP_SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def socket_url(address: str) -> str:
    """The WebSocket address of `http(s)://host[:port]` or `ws(s)://…`; raises ValueError for anything else."""
    return _rewritten(address, _SOCKET_SCHEMES, SOCKET_PATH)


def http_url(address: str, path: str) -> str:
    """The HTTP address of a path on the same host; raises ValueError as `socket_url` does."""
    return _rewritten(address, _HTTP_SCHEMES, path, own_path=False)


def safe_redirect(configured: str, url: str | None) -> str | None:
    """The address a close with 4002 named; None if it is none, or would carry the token with less protection."""
    try:
        target = socket_url(url or "")
    except ValueError:
        return None
    return None if target.startswith("ws:") and configured.startswith("wss:") else target


def _rewritten(address: str, schemes: dict[str, str], path: str, *, own_path: bool = True) -> str:
    parts = urlsplit(address)
    # A port or a name that is none raises ValueError when it is asked for.
    host = (parts.hostname or "").encode("idna")
    if parts.scheme not in schemes or not host or parts.port == 0 or any(map(str.isspace, parts.netloc)):
        raise ValueError(f"{address!r} is not an http, https, ws or wss address")
    kept = parts.path if own_path and parts.path not in ("", "/") else path
    return urlunsplit((schemes[parts.scheme], parts.netloc, kept, "", ""))
