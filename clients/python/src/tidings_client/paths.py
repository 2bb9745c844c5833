"""Paths of requests over HTTP (wire contract §9)."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def path(*names: str, **query: str | int | None) -> str:
    """The path below `/v1/` of these names, each escaped, and of the query what is not None."""
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return "/v1/" + "/".join(quote(name, safe="") for name in names) + (f"?{given}" if given else "")
