"""One picture, from bytes that nobody vouches for to pixels as they are shown: upright, in sRGB, opaque, and no larger
than the largest variant.

Runs in a worker's child process alone (`server.media.confinement`).
"""

import math
import re
from contextlib import suppress
from typing import Any

import numpy as np
import pi_heif  # type: ignore[import-untyped]  # it ships no types
import pyvips  # type: ignore[import-untyped]  # it ships no types

from server.media.findings import TALLEST, WIDEST, Inspected
from server.media.sniffing import HEAD_BYTES, Kind, is_whole, sniffed

MOST_PIXELS = 120_000_000
"""Of the original: more than any phone's camera has."""

# Decoders give up here by themselves, whatever a header says.
pi_heif.options.DECODE_THREADS = 1
_VIPS_KINDS = {"avif": "heif"}
_HEIF_FAULTS = (ValueError, EOFError, RuntimeError, SyntaxError, OSError)
# As libvips, libjpeg and libheif say it.
_NO_MEMORY = re.compile("(out of|insufficient) memory|memory alloc", re.IGNORECASE)
_NCLX_P3 = 12
"""Display P3, as colour primaries are numbered in ISO/IEC 23091-2."""


class UnfitError(Exception):
    """Nothing can be made of these bytes. The message is the reason that is kept, one of a few."""


def inspected(data: bytes) -> Inspected:
    """Raises UnfitError."""
    kind = sniffed(data[:HEAD_BYTES])
    if kind is None:
        raise UnfitError("not a picture")
    if kind in ("heic", "avif") and not is_whole(data):
        raise UnfitError("broken")
    width, height = _found_heif(data).size if kind == "heic" else _upright(_opened(data, kind))
    if width * height > MOST_PIXELS:
        raise UnfitError("too many pixels")
    return Inspected(kind, width, height)


def shown(data: bytes) -> pyvips.Image:
    """The picture, in memory. Raises UnfitError, also when anything of it is missing."""
    found = inspected(data)
    scale = min(1.0, WIDEST / found.width, TALLEST / found.height)
    try:
        image = _flat(_opened(data, found.kind, _shrink(scale) if found.kind == "jpeg" else 1))
        width, height = _whole(found.width * scale), _whole(found.height * scale)
        across, down = (height, width) if _is_turned(image) else (width, height)
        if (across, down) != (image.width, image.height):
            image = image.resize(across / image.width, vscale=down / image.height)
        # From here on it is small: what follows may look at any pixel at any time.
        return _in_srgb(image.copy_memory()).autorot().copy_memory()
    except pyvips.Error as fault:
        raise _unfit(fault) from fault


def _unfit(fault: Exception) -> UnfitError:
    return UnfitError("too large" if _NO_MEMORY.search(str(fault)) else "broken")


def _whole(length: float) -> int:
    return max(1, round(length))


def _shrink(scale: float) -> int:
    """By how much JPEG's own decoder, which does so nearly for nothing, may shrink: 1, 2, 4 or 8."""
    return min(8, 1 << max(0, int(math.log2(1 / scale))))


def _opened(data: bytes, kind: Kind, shrink: int = 1) -> pyvips.Image:
    try:
        if kind == "heic":
            return _opened_heic(data)
        options = {"shrink": shrink} if shrink > 1 else {}
        load = f"{_VIPS_KINDS.get(kind, kind)}load_buffer"
        image = pyvips.Operation.call(load, data, access="sequential", fail_on="truncated", **options)
        if kind == "avif":
            # What is said by a number libvips does not ask for.
            with suppress(UnfitError):
                image = _profiled(image, _found_heif(data).info)
        return image
    except pyvips.Error as fault:
        raise _unfit(fault) from fault


def _opened_heic(data: bytes) -> pyvips.Image:
    """By libheif's own binding, as the other has no decoder for it. It turns the picture by itself."""
    image = _found_heif(data)
    (width, height), info = image.size, image.info
    bands = len(image.mode)
    try:
        rows = np.frombuffer(image.data, np.uint8).reshape(-1, image.stride)[:height, : width * bands]
    except _HEIF_FAULTS as fault:
        raise _unfit(fault) from fault
    opened = pyvips.Image.new_from_memory(rows.tobytes(), width, height, bands, "uchar").copy(interpretation="srgb")
    return _profiled(opened, info)


def _profiled(image: pyvips.Image, info: dict[str, Any]) -> pyvips.Image:
    """With the profile that its file has, in full or as a number."""
    profile = info.get("icc_profile")
    if not profile and (info.get("nclx_profile") or {}).get("color_primaries") == _NCLX_P3:
        profile = pyvips.Operation.call("profile_load", "p3")
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


def _found_heif(data: bytes) -> pi_heif.HeifImage:
    """The one that the file is about, not decoded yet."""
    try:
        file = pi_heif.open_heif(data, convert_hdr_to_8bit=True)
        return file[file.primary_index]
    except _HEIF_FAULTS as fault:
        raise UnfitError("broken") from fault


def _is_turned(image: pyvips.Image) -> bool:
    """Does it lie on its side?"""
    return bool(image.get_typeof("orientation")) and image.get("orientation") >= 5


def _upright(image: pyvips.Image) -> tuple[int, int]:
    return (image.height, image.width) if _is_turned(image) else (image.width, image.height)


def _flat(image: pyvips.Image) -> pyvips.Image:
    """Nothing can be seen through it: white is behind it."""
    if image.interpretation not in ("srgb", "rgb16", "b-w", "grey16", "cmyk"):
        image = image.colourspace("srgb")
    if not image.hasalpha():
        return image
    white = {"cmyk": 0, "rgb16": 65_535, "grey16": 65_535}.get(image.interpretation, 255)
    return image.flatten(background=[white])


def _in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Three bands of eight bits each. A profile that cannot be read is one that is absent."""
    if image.get_typeof("icc-profile-data") or image.interpretation == "cmyk":
        try:
            image = image.icc_transform("srgb", embedded=True, input_profile=_assumed(image)).copy_memory()
        except pyvips.Error:
            image = image.copy()
            image.remove("icc-profile-data")
    image = image.colourspace("srgb")
    return image[:3] if image.bands > 3 else image


def _assumed(image: pyvips.Image) -> str:
    return "cmyk" if image.interpretation == "cmyk" else "srgb"
