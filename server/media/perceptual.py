"""PDQ: 256 bits that stay nearly the same when a picture is scaled, compressed or slightly changed.

After "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (Facebook, 2019) and its reference
code: two passes of a box filter, 64 × 64 samples, the 16 × 16 lowest waves but the mean, each above the median or not.
"""

import numpy as np
from numpy.typing import NDArray

LONGEST = 512
"""The longest side in pixels that is hashed, as the reference scales its pictures."""
SURE = 50
"""Below this quality a picture is too plain for its bits to mean anything."""

Floats = NDArray[np.float64]

_SIDE, _WAVES = 64, 16
_DCT: Floats = np.sqrt(2 / _SIDE) * np.cos(
    np.pi / 2 / _SIDE * np.outer(np.arange(1, _WAVES + 1), 2 * np.arange(_SIDE) + 1)
)


def perceptual_hash(rgb: NDArray[np.uint8]) -> tuple[bytes, int]:
    """The 32 bytes of height × width × 3 bytes of sRGB, in the order in which PDQ is written in hexadecimal, and the
    quality, from 0 to 100."""
    luma = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    height, width = luma.shape
    for _ in range(2):
        luma = _box(_box(luma, _window(width)).T, _window(height)).T
    samples = luma[np.ix_(_sampled(height), _sampled(width))]
    waves = (_DCT @ samples @ _DCT.T).ravel()
    # The lower of the two in the middle.
    median = np.partition(waves, waves.size // 2 - 1)[waves.size // 2 - 1]
    bits = (waves > median)[::-1]
    return np.packbits(bits).tobytes(), _quality(samples)


def _window(length: int) -> int:
    return (length + 2 * _SIDE - 1) // (2 * _SIDE)


def _box(values: Floats, window: int) -> Floats:
    """Each row with each value replaced by the mean of those around it; at the edges there are fewer."""
    length = values.shape[1]
    reach = (window + 2) // 2 - 1
    sums = np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)], axis=1)
    places = np.arange(length)
    first, last = np.maximum(places + reach - window + 1, 0), np.minimum(places + reach + 1, length)
    means: Floats = (sums[:, last] - sums[:, first]) / (last - first)
    return means


def _sampled(length: int) -> NDArray[np.int64]:
    return ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.int64)


def _quality(samples: Floats) -> int:
    steps = sum(int(np.abs(np.trunc(np.diff(samples, axis=axis) * 100 / 255)).sum()) for axis in (0, 1))
    return min(steps // 90, 100)
