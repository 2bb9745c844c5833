"""The variants of a picture, and what its pixels tell.

Each variant is made of the next larger one. What it costs, and what more or less effort would: docs/performance.md.
"""

import numpy as np
import pyvips  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from server.media import perceptual
from server.media import thumbhash as thumbhashes
from server.media.findings import Hashed, Pair, Rendered
from server.media.picture import shown
from server.media.variants import SQUARE, kept

JPEG_QUALITY, WEBP_QUALITY, WEBP_EFFORT = 80, 75, 2


def rendered(data: bytes) -> Rendered:
    """All variants of the original. Raises UnfitError."""
    image = square = largest = shown(data)
    variants = {}
    for name in kept(image.width):
        if name == SQUARE:
            image = _squared(square)
        elif int(name) < image.width:
            image = _resized(image, int(name) / image.width)
        variants[name] = Pair(
            image.jpegsave_buffer(Q=JPEG_QUALITY, optimize_coding=True, keep="none"),
            image.webpsave_buffer(Q=WEBP_QUALITY, effort=WEBP_EFFORT, keep="none"),
        )
        if min(image.width, image.height) >= int(SQUARE):
            square = image
    return Rendered(largest.width, largest.height, variants)


def hashed(variant: bytes) -> Hashed:
    """What a variant of moderate size tells. Raises UnfitError."""
    image = shown(variant)
    bits, quality = perceptual.perceptual_hash(_pixels(image, perceptual.LONGEST))
    known = bits if quality >= perceptual.SURE else None
    return Hashed(thumbhashes.thumbhash(_pixels(image, thumbhashes.LONGEST)), known)


def _resized(image: pyvips.Image, scale: float) -> pyvips.Image:
    width, height = (max(1, round(length * scale)) for length in (image.width, image.height))
    return image.resize(width / image.width, vscale=height / image.height).copy_memory()


def _squared(image: pyvips.Image) -> pyvips.Image:
    side = min(image.width, image.height)
    middle = image.crop((image.width - side) // 2, (image.height - side) // 2, side, side)
    return _resized(middle, min(1.0, int(SQUARE) / side))


def _pixels(image: pyvips.Image, longest: int) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = _resized(image, min(1.0, longest / max(image.width, image.height))).numpy()
    return pixels
