"""Pictures that the demo draws itself: skies over hills, waves, discs and soft colours, each number another one."""

from collections.abc import Callable

import numpy as np
import pyvips  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

WIDTH = 900
HEIGHTS = (1125, 900, 600)
STORY = (720, 1280)

Canvas = NDArray[np.float32]

PALETTES = (
    ("#0b1d3a", "#3f5f8a", "#f2a65a", "#ffd9a0"),
    ("#1b2a41", "#5b7c99", "#c9d6df", "#f5f0e6"),
    ("#2d1e2f", "#8e4162", "#f46060", "#ffc069"),
    ("#0f3d3e", "#2f8f83", "#a8dadc", "#fefae0"),
    ("#22223b", "#4a4e69", "#c9ada7", "#f2e9e4"),
    ("#143601", "#538d22", "#b5c99a", "#fff3b0"),
    ("#3d0066", "#7b2cbf", "#e0aaff", "#ffd6ff"),
)


def draw(number: int, size: tuple[int, int] | None = None) -> bytes:
    """A JPEG, always the same for a number; takes a fifth of a second of one core, so not for an event loop."""
    random = np.random.default_rng(number)
    width, height = size or (WIDTH, int(random.choice(HEIGHTS)))
    palette = [_colour(text) for text in PALETTES[int(random.integers(len(PALETTES)))]]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : width / height : width * 1j].astype(np.float32)
    kinds: tuple[Callable[..., Canvas], ...] = (_hills, _waves, _discs, _aurora)
    canvas = kinds[int(random.integers(len(kinds)))](random, x, y, palette)
    grain = random.normal(0, 3, (height, width, 1)).astype(np.float32)
    pixels = (canvas + grain).clip(0, 255).astype(np.uint8)
    jpeg: bytes = pyvips.Image.new_from_array(pixels).jpegsave_buffer(Q=84)
    return jpeg


def _colour(text: str) -> Canvas:
    return np.array([int(text[at : at + 2], 16) for at in (1, 3, 5)], np.float32)


def _blend(share: Canvas, one: Canvas, other: Canvas) -> Canvas:
    """`one` where the share is 0, `other` where it is 1."""
    mixed: Canvas = one + (other - one) * share.clip(0, 1)[..., None]
    return mixed


def _soft(distance: Canvas) -> Canvas:
    """An edge without steps: 1 inside, 0 outside."""
    inside: Canvas = (0.5 - distance * 400).clip(0, 1)
    return inside


def _hills(random: np.random.Generator, x: Canvas, y: Canvas, palette: list[Canvas]) -> Canvas:
    canvas = _blend(y * 1.5, palette[1], palette[3])
    sun = np.hypot(x - random.uniform(0.2, 0.8) * x.max(), y - random.uniform(0.25, 0.45))
    canvas = canvas + 90 * np.exp(-(sun**2) * 18)[..., None]
    canvas = _blend(_soft(sun - random.uniform(0.06, 0.12)), canvas, np.array([255, 246, 224], np.float32))
    for depth in range(4):
        ridge = (
            0.52
            + depth * 0.12
            + sum(
                random.uniform(0.01, 0.05) * np.sin(x * random.uniform(2, 9) + random.uniform(0, 7)) for _ in range(3)
            )
        )
        canvas = _blend(_soft(ridge - y), canvas, palette[2] + (palette[0] - palette[2]) * (depth / 3))
    return canvas


def _waves(random: np.random.Generator, x: Canvas, y: Canvas, palette: list[Canvas]) -> Canvas:
    canvas = _blend(y, palette[3], palette[2])
    for depth in range(9):
        crest = 0.12 + depth * 0.1 + 0.03 * np.sin(x * random.uniform(4, 8) + random.uniform(0, 7))
        crest = crest + 0.012 * np.sin(x * random.uniform(12, 25) + random.uniform(0, 7))
        canvas = _blend(_soft(crest - y) * 0.8, canvas, palette[1] + (palette[0] - palette[1]) * (depth / 8))
    return canvas


def _discs(random: np.random.Generator, x: Canvas, y: Canvas, palette: list[Canvas]) -> Canvas:
    canvas = _blend((x + y) / (x.max() + 1), palette[3], palette[2])
    for _ in range(12):
        away = np.hypot(x - random.uniform(0, x.max()), y - random.uniform(0, 1)) - random.uniform(0.04, 0.22)
        canvas = _blend(_soft(away) * random.uniform(0.5, 0.9), canvas, palette[int(random.integers(4))])
    return canvas


def _aurora(random: np.random.Generator, x: Canvas, y: Canvas, palette: list[Canvas]) -> Canvas:
    canvas = _blend(y, palette[0] * 0.6, palette[0])
    for band in range(4):
        middle = random.uniform(0.2, 0.7) + 0.12 * np.sin(x * random.uniform(2, 6) + random.uniform(0, 7))
        glow = np.exp(-(((y - middle) / random.uniform(0.05, 0.16)) ** 2))
        canvas = _blend(glow * random.uniform(0.5, 0.9), canvas, palette[1 + band % 3])
    return canvas
