"""What a file is, by its own first bytes: its name and what somebody says of it are not asked.

The signatures are those of the WHATWG's MIME Sniffing (§6.1), of TIFF 6.0 and of ISO/IEC 14496-12 (`ftyp`).
"""

from typing import Literal

Kind = Literal["jpeg", "png", "gif", "webp", "tiff", "heic", "avif"]
"""What can be made a picture of; all else is refused, scripts that draw (SVG) and documents (PDF) first of all."""

NAMES = "JPEG, PNG, WebP, GIF, HEIC, AVIF or TIFF"
HEAD_BYTES = 64
"""How much of the file is needed at the most."""

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
_LONGEST_SIGNATURE = len(b"RIFF....WEBP")
_AVIF = frozenset((b"avif", b"avis"))
_HEIC = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"))


def sniffed(head: bytes) -> Kind | None:
    """The kind of picture that begins so, or None."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _branded(head[: min(int.from_bytes(head[:4]), HEAD_BYTES)])
    return None


def tells(head: bytes) -> bool:
    """Whether so much of a file says what it is, and more of it would say nothing else."""
    if head[4:8] == b"ftyp":
        return len(head) >= min(int.from_bytes(head[:4]), HEAD_BYTES)
    return len(head) >= _LONGEST_SIGNATURE


def _branded(box: bytes) -> Kind | None:
    """By the brands of an ISO base media file (ISO/IEC 14496-12 §4.3): the major one, and those compatible."""
    brands = {box[8:12], *(box[place : place + 4] for place in range(16, len(box), 4))}
    if brands & _AVIF:
        return "avif"
    return "heic" if brands & _HEIC else None


def is_whole(data: bytes) -> bool:
    """Does an ISO base media file have all the boxes that it names? Decoders are content with those of the picture."""
    place = 0
    while place < len(data):
        size, header = int.from_bytes(data[place : place + 4]), 8
        if size == 1:
            size, header = int.from_bytes(data[place + 8 : place + 16]), 16
        elif size == 0 and len(data) - place >= header:
            # The last box may go on to the end.
            return True
        if size < header or len(data) - place < header:
            return False
        place += size
    return place == len(data)
