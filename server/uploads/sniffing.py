"""Which picture it is, told by its first bytes: what else could come in is refused before it does.

The signatures are those of the WHATWG's MIME Sniffing (§6.1), of TIFF 6.0 and of ISO/IEC 14496-12 (`ftyp`).
"""

from collections.abc import Mapping

ENOUGH = 12
"""So many bytes tell."""

_BRANDS: Mapping[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "image/heic"),
    **dict.fromkeys((b"mif1", b"msf1"), "image/heif"),
}
_STARTS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
KNOWN = "JPEG, PNG, WebP, GIF, HEIC, AVIF or TIFF"


def sniffed(head: bytes) -> str | None:
    """The type of what begins like that; None when it is no picture that is taken."""
    for start, type in _STARTS.items():
        if head.startswith(start):
            return type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None
