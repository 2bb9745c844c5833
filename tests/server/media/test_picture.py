"""From bytes to pixels: how a picture stands, its colours, what can be seen through it, and what is refused."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips  # type: ignore[import-untyped]  # it ships no types

from server.media.findings import Rendered
from server.media.picture import MOST_PIXELS, UnfitError, inspected, shown
from server.media.rendering import hashed, rendered
from server.media.sniffing import is_whole, sniffed
from server.media.variants import kept, kept_as
from tests.server.media.drawing import CORNERS, HEIC, corners, decoded, encoded, image, lying, photo, png, seen

PHOTOS = Path(__file__).parents[4] / "shared" / "photos"
FORMATS: list[tuple[str, dict[str, Any], int]] = [
    ("jpeg", {"Q": 100, "subsample_mode": "off"}, 3),
    ("png", {}, 0),
    ("webp", {"lossless": True}, 0),
    ("gif", {}, 0),
    ("tiff", {}, 0),
    ("heif", {"compression": "av1", "lossless": True}, 3),
]


def near(found: list[tuple[int, ...]], wanted: tuple[tuple[int, ...], ...], by: int) -> bool:
    return int(np.abs(np.subtract(np.array(found, int), np.array(wanted, int))).max()) <= by


def refused(data: bytes) -> str:
    with pytest.raises(UnfitError) as refusal:
        rendered(data)
    return str(refusal.value)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_whichever_way_the_camera_was_held(orientation: int) -> None:
    lossless = encoded(lying(corners(), orientation), "tiff", orientation)
    assert np.array_equal(shown(lossless).numpy(), corners())
    data = encoded(lying(corners(), orientation), "jpeg", orientation, Q=95)
    assert (inspected(data).width, inspected(data).height) == (400, 300)
    found = rendered(data)
    assert (found.width, found.height) == (400, 300)
    for pair in found.variants.values():
        for variant in (pair.jpg, pair.webp):
            assert near(seen(decoded(variant)), CORNERS, 12)


@pytest.mark.parametrize(("format", "options", "by"), FORMATS)
def test_every_format_is_recognised_and_shown(format: str, options: dict[str, Any], by: int) -> None:
    data = encoded(corners(), format, **options)
    assert inspected(data).kind == {"heif": "avif"}.get(format, format)
    assert near(seen(shown(data).numpy()), CORNERS, by)


def test_a_heic_picture_is_turned_as_its_file_says() -> None:
    assert (inspected(HEIC).kind, inspected(HEIC).width, inspected(HEIC).height) == ("heic", 64, 48)
    assert near(seen(shown(HEIC).numpy()), CORNERS, 3)


def test_variants_are_as_wide_as_they_are_called_and_never_enlarged() -> None:
    found = rendered(encoded(photo(2_400, 1_500), "jpeg"))
    assert (found.width, found.height) == (2_048, 1_280)
    sizes = {name: decoded(pair.webp).shape[1::-1] for name, pair in found.variants.items()}
    assert sizes == {
        "2048": (2_048, 1_280),
        "1080": (1_080, 675),
        "640": (640, 400),
        "320": (320, 200),
        "150": (150, 150),
    }
    small = rendered(encoded(corners(500, 100), "png"))
    sizes = {name: decoded(pair.jpg).shape[1::-1] for name, pair in small.variants.items()}
    assert sizes == {"640": (500, 100), "320": (320, 64), "150": (100, 100)}
    assert [kept_as(name, 500) for name in ("150", "320", "640", "1080", "2048")] == ["150", "320", "640", "640", "640"]
    assert kept(2_048) == ["2048", "1080", "640", "320", "150"]
    assert kept(640) == kept(321) == ["640", "320", "150"]
    assert kept(1) == ["320", "150"]


def test_what_is_very_high_or_a_single_pixel_is_shown_too() -> None:
    high = rendered(encoded(np.zeros((9_000, 100, 3), np.uint8), "png"))
    assert (high.width, high.height) == (91, 8_192)
    dot = rendered(encoded(np.zeros((1, 1, 3), np.uint8), "png"))
    assert (dot.width, dot.height, list(dot.variants)) == (1, 1, ["320", "150"])
    assert len(hashed(dot.variants["320"].jpg).thumbhash) > 5


def test_colours_are_brought_to_srgb_from_what_their_profile_says() -> None:
    wide = pyvips.Operation.call("profile_load", "p3")
    data = image(np.full((64, 64, 3), (234, 51, 35), np.uint8), profile=wide).pngsave_buffer()
    # The red of sRGB, as Display P3 has it.
    assert near([tuple(shown(data).numpy()[9, 9])], ((255, 0, 0),), 4)


def test_what_an_avif_says_of_its_colours_by_a_number_is_heard() -> None:
    data = bytearray(encoded(np.full((64, 64, 3), (234, 51, 35), np.uint8), "heif", compression="av1", lossless=True))
    assert not near([tuple(shown(bytes(data)).numpy()[9, 9])], ((255, 0, 0),), 12)
    # Display P3 (ISO/IEC 23091-2).
    primaries = data.index(b"colrnclx") + 8
    data[primaries : primaries + 2] = (12).to_bytes(2)
    assert near([tuple(shown(bytes(data)).numpy()[9, 9])], ((255, 0, 0),), 6)


def test_a_broken_profile_is_as_none() -> None:
    data = image(corners(), profile=b"nothing of the kind" * 20).pngsave_buffer()
    assert near(seen(shown(data).numpy()), CORNERS, 0)


def test_cmyk_sixteen_bits_greys_and_what_can_be_seen_through_come_out_as_they_look() -> None:
    ink = image(np.full((80, 80, 4), (0, 255, 255, 0), np.uint8)).copy(interpretation="cmyk")
    red, green, blue = shown(ink.jpegsave_buffer(Q=100)).numpy()[40, 40]
    assert red > 180
    assert green < 80
    assert blue < 80
    deep = image(corners().astype(np.uint16) * 257).copy(interpretation="rgb16").pngsave_buffer()
    assert near(seen(shown(deep).numpy()), CORNERS, 0)
    grey = encoded(np.full((50, 50), 77, np.uint8), "png")
    assert tuple(shown(grey).numpy()[9, 9]) == (77, 77, 77)
    glass = np.dstack([np.zeros((50, 50, 3), np.uint8), np.full((50, 50), 51, np.uint8)])
    assert near([tuple(shown(encoded(glass, "png")).numpy()[9, 9])], ((204, 204, 204),), 1)
    thin = np.dstack([np.zeros((50, 50, 3), np.uint16), np.full((50, 50), 51 * 257, np.uint16)])
    both = image(thin).copy(interpretation="rgb16").pngsave_buffer()
    assert near([tuple(shown(both).numpy()[9, 9])], ((204, 204, 204),), 1)


def test_of_what_moves_the_first_frame_is_shown() -> None:
    frames = np.concatenate([corners(), *(np.full((300, 400, 3), 50 * n, np.uint8) for n in range(4))])
    film = image(frames)
    film.set_type(pyvips.GValue.gint_type, "page-height", 300)
    for data in (film.gifsave_buffer(), film.webpsave_buffer(lossless=True)):
        assert pyvips.Image.new_from_buffer(data, "").get("n-pages") == 5
        assert (inspected(data).width, inspected(data).height) == (400, 300)
        assert near(seen(shown(data).numpy()), CORNERS, 0)


@pytest.mark.parametrize(("format", "options"), [(format, options) for format, options, _ in FORMATS])
def test_a_file_that_breaks_off_is_refused(format: str, options: dict[str, Any]) -> None:
    data = encoded(photo(300, 200), format, **options)
    for share in (0.97, 0.5, 0.1):
        assert refused(data[: int(len(data) * share)]) == "broken"
    assert refused(HEIC[:-9]) == "broken"


def test_what_is_no_picture_is_refused_whatever_it_is_called() -> None:
    drawn = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    for data in (b"", b"\xff\xd8", drawn, b'<?xml version="1.0"?>' + drawn, b"%PDF-1.7", b"P6 1 1 255 abc", b"\0" * 99):
        assert sniffed(data) is None
        assert refused(data) == "not a picture"
    for head in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"II*\0", b"MM\0*"):
        assert refused(head + b"\0" * 200) == "broken"


def test_what_else_a_file_is_does_not_come_through() -> None:
    page = b"<html><script>alert(1)</script></html>"
    for data in (encoded(corners(), "jpeg"), encoded(corners(), "png")):
        for pair in rendered(data + page + b"PK\x03\x04").variants.values():
            assert page not in pair.jpg + pair.webp
            assert b"PK\x03\x04" not in pair.jpg + pair.webp
    comment = b"GIF89a/*" + encoded(corners(), "gif")[8:]
    with pytest.raises(UnfitError):
        rendered(comment[:40] + page)


def test_more_pixels_than_any_camera_has_are_refused_by_what_the_head_says() -> None:
    bomb = png(30_000, 30_000, zlib.compress(bytes(1_000)))
    with pytest.raises(UnfitError, match="too many pixels"):
        inspected(bomb)
    assert refused(bomb) == "too many pixels"
    assert inspected(png(12_000, 9_999, b"")).width * 9_999 <= MOST_PIXELS


@pytest.mark.verify
def test_a_hundred_megapixels_are_shown() -> None:
    line = b"\0" + b"\xf0" * 1_250
    found = rendered(png(10_000, 10_000, zlib.compress(line * 10_000, 1)))
    assert (found.width, found.height) == (2_048, 2_048)


def test_nothing_of_what_a_camera_notes_is_left_in_any_variant() -> None:
    noted = image(photo(700, 500))
    for field in ("exif-ifd3-GPSLatitude", "exif-ifd0-Artist", "exif-ifd0-ImageDescription"):
        noted.set_type(pyvips.GValue.gstr_type, field, "50/1 5/1 59/1 (Secretplace)")
    noted.set_type(pyvips.GValue.blob_type, "xmp-data", b"<x:xmpmeta>Secretplace</x:xmpmeta>")
    noted.set_type(pyvips.GValue.blob_type, "iptc-data", b"Secretplace")
    noted.set_type(pyvips.GValue.gstr_type, "png-comment-0-Comment", "Secretplace")
    noted.set_type(pyvips.GValue.blob_type, "icc-profile-data", pyvips.Operation.call("profile_load", "p3"))
    for data in (noted.jpegsave_buffer(), noted.pngsave_buffer(), noted.webpsave_buffer(), noted.tiffsave_buffer()):
        assert b"Secretplace" in data or b"eXIf" in data
        assert_bare(data)


def assert_bare(data: bytes) -> Rendered:
    found = rendered(data)
    for pair in found.variants.values():
        for mark in (b"Secretplace", b"Exif", b"EXIF", b"xmpmeta", b"XMP ", b"ICCP", b"ICC_PROFILE", b"Photoshop"):
            assert mark not in pair.jpg
            assert mark not in pair.webp
        for variant in (pair.jpg, pair.webp):
            names = set(pyvips.Image.new_from_buffer(variant, "").get_fields())
            assert not names & {"exif-data", "xmp-data", "iptc-data", "icc-profile-data", "jpeg-thumbnail-data"}
    return found


def test_the_file_of_a_container_ends_where_its_boxes_do() -> None:
    box = struct.pack(">I4s", 16, b"ftyp") + b"heicmif1"
    assert is_whole(box)
    assert is_whole(box + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234")
    assert is_whole(box + struct.pack(">I4s", 0, b"mdat") + b"until the end")
    for wrong in (
        box[:-1],
        box + b"\0\0",
        box + struct.pack(">I4s", 7, b"free"),
        box + struct.pack(">I4s", 99, b"mdat"),
    ):
        assert not is_whole(wrong)


@pytest.mark.verify
@pytest.mark.skipif(not PHOTOS.exists(), reason="the camera files are not beside this checkout")
@pytest.mark.parametrize("path", sorted(PHOTOS.glob("*.*")), ids=lambda path: path.name)
def test_files_of_real_cameras_are_shown_without_what_they_noted(path: Path) -> None:
    data = path.read_bytes()
    if path.suffix == ".md":
        assert refused(data) == "not a picture"
    elif path.stem == "truncated":
        assert refused(data) == "broken"
    else:
        found = assert_bare(data)
        if path.stem.startswith("orientation"):
            assert (found.width > found.height) == ("landscape" in path.stem)
