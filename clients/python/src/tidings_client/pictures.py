"""Pictures as bytes, by the addresses that come with posts and stories (wire contract §9)."""

from __future__ import annotations

from .http_calls import problem_of, transfer


async def picture(url: str, address: str, *, webp: bool = False) -> bytes:
    """The picture at that address of the server at `url`, as JPEG or WebP; no login is needed.

    Raises Refused (`not_found`: the address is too old, or it may not be seen any more), and OSError.
    """
    accepted = {"Accept": "image/webp" if webp else "image/jpeg"}
    status, _, content = await transfer(url, "GET", address, accepted)
    if status != 200:
        raise problem_of(url, status, content)
    return content
