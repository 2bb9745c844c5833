"""Pictures that tests draw: four corners of known colours, so that it shows how a picture stands."""

import base64
import struct
import zlib
from typing import Any

import numpy as np
import pyvips  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
"""Top left, top right, bottom left, bottom right, on white."""

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAQYAAgAAAAAC8gABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA"
    "AAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAA"
    "kAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq"
    "5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xh"
    "cAAAADAAAAABAAAAQAAAAAH////wAAAAAgAAAAAAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEA"
    "AQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAATJtZGF0AAABAigBrwY4WvevX42B///ykMf//Y2KUv39R/HkfykM"
    "Zv9ZYxz+flSRUb6WfV59djK7ypPH+zoP/+QIix1ve9w9VNkz5HwdpsPwH0HWOrDTZGNkGLST95/C9UK3eXzgDDwgEiwp5m0CTnTK"
    "qsdV0HGvJi9TbB+lFcAEeRSc06ZTDn+tpff/F8a792jhvEi+O2PePUTx+ebV59b5PuhE30hQB6PaZzQQtNq89Mh2jN218EAidOad"
    "F2awez/v+SFuZ66DTaUwd+frKfn6FYJmTzpN/wzy9f5F+0+V4ll5OxNW5Bd8N24xnjlGSVcGqDaK+4x6WsDMID4oeu19um52tvAW"
    "tC4XYAAAAAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA=="
)
"""64 × 48 with the corners, lying on its side and to be turned by what the file says."""


def corners(width: int = 400, height: int = 300) -> Pixels:
    pixels = np.full((height, width, 3), 255, np.uint8)
    side = min(width, height) // 3
    for place, colour in zip(((0, 0), (0, -1), (-1, 0), (-1, -1)), CORNERS, strict=True):
        rows = slice(None, side) if place[0] == 0 else slice(-side, None)
        columns = slice(None, side) if place[1] == 0 else slice(-side, None)
        pixels[rows, columns] = colour
    return pixels


def seen(pixels: Pixels) -> list[tuple[int, ...]]:
    """The colours of the corners, a little from the edge."""
    inset = max(1, min(pixels.shape[:2]) // 20)
    places = ((inset, inset), (inset, -1 - inset), (-1 - inset, inset), (-1 - inset, -1 - inset))
    return [tuple(map(int, pixels[place])) for place in places]


def lying(pixels: Pixels, orientation: int) -> Pixels:
    """How a camera keeps it that says it has to be turned like this (EXIF 2.3, tag 274)."""
    turned = pixels.transpose(1, 0, 2)
    return {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: turned,
        6: turned[::-1],
        7: turned[::-1, ::-1],
        8: turned[:, ::-1],
    }[orientation]


def photo(width: int, height: int, seed: int = 0) -> Pixels:
    """Something with waves of all lengths and a little noise, which no two seeds share."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    pixels = np.empty((height, width, 3), np.float32)
    for band in range(3):
        pixels[..., band] = 128 + sum(
            40 * np.sin(random.uniform(2, 60) * x + random.uniform(2, 60) * y + random.uniform(0, 6)) for _ in range(4)
        )
    pixels += random.integers(-6, 7, (height, width, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def png(width: int, height: int, rows: bytes, depth: int = 1, colour: int = 0) -> bytes:
    """A PNG that claims to be so large, whatever its packed `rows` are."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def image(pixels: Any, orientation: int | None = None, profile: bytes | None = None) -> pyvips.Image:
    drawn = pyvips.Image.new_from_array(np.ascontiguousarray(pixels)).copy()
    if orientation is not None:
        drawn.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    if profile is not None:
        drawn.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return drawn


def encoded(pixels: Any, format: str, orientation: int | None = None, **options: Any) -> bytes:
    """In one of the formats that are known: jpeg, png, webp, gif, tiff, heif (AVIF)."""
    data: bytes = getattr(image(pixels, orientation), f"{format}save_buffer")(**options)
    return data


def decoded(data: bytes) -> Pixels:
    pixels: Pixels = pyvips.Image.new_from_buffer(data, "").numpy()
    return pixels
