"""Thumbhash: a picture in 20 to 25 bytes, shown while it loads (https://evanw.github.io/thumbhash, its reference code).

Ours have no alpha: what a picture is seen through has been put on white.
"""

import numpy as np
from numpy.typing import NDArray

LONGEST = 100
"""The longest side in pixels that is hashed; more would be slow, and change nothing."""

Floats = NDArray[np.float64]


def thumbhash(rgb: NDArray[np.uint8]) -> bytes:
    """The hash of height × width × 3 bytes of sRGB. Raises ValueError for a side longer than `LONGEST`."""
    height, width, _ = rgb.shape
    if max(height, width) > LONGEST:
        raise ValueError(f"{width} × {height} is more than {LONGEST} pixels on a side")
    r, g, b = np.moveaxis(rgb.astype(np.float64) / 255, 2, 0)
    longest = max(width, height)
    across, down = max(1, _rounded(7 * width / longest)), max(1, _rounded(7 * height / longest))
    light, light_waves, light_scale = _channel((r + g + b) / 3, max(3, across), max(3, down))
    yellow, yellow_waves, yellow_scale = _channel((r + g) / 2 - b, 3, 3)
    red, red_waves, red_scale = _channel(r - g, 3, 3)
    landscape = width > height
    head = (
        _rounded(63 * light)
        | _rounded(31.5 + 31.5 * yellow) << 6
        | _rounded(31.5 + 31.5 * red) << 12
        | _rounded(31 * light_scale) << 18
    )
    shape = (
        (down if landscape else across)
        | _rounded(63 * yellow_scale) << 3
        | _rounded(63 * red_scale) << 9
        | landscape << 15
    )
    waves = [*light_waves, *yellow_waves, *red_waves]
    pairs = zip(waves[::2], [*waves[1::2], 0] if len(waves) % 2 else waves[1::2], strict=True)
    packed = bytes(low | high << 4 for low, high in pairs)
    return int(head).to_bytes(3, "little") + int(shape).to_bytes(2, "little") + packed


def _channel(values: Floats, across: int, down: int) -> tuple[float, list[int], float]:
    """The mean, the lowest waves as numbers from 0 to 15, and what they are to be multiplied by."""
    height, width = values.shape
    columns = np.cos(np.pi / width * np.outer(np.arange(across), np.arange(width) + 0.5))
    rows = np.cos(np.pi / height * np.outer(np.arange(down), np.arange(height) + 0.5))
    found = rows @ values @ columns.T / values.size
    kept = [found[y, x] for y in range(down) for x in range(across) if x * down < across * (down - y)]
    mean, *waves = map(float, kept)
    scale = max(map(abs, waves))
    if not scale:
        return mean, [0] * len(waves), 0.0
    return mean, [_rounded(15 * (0.5 + 0.5 / scale * wave)) for wave in waves], scale


def _rounded(value: float) -> int:
    return int(value + 0.5)
