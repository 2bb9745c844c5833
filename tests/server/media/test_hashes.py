"""Thumbhash and PDQ, against figures of the packages thumbhash 0.1.2 and pdqhash, which compute them by other code."""

import numpy as np
import pytest

from server.media.perceptual import SURE, perceptual_hash
from server.media.rendering import hashed, rendered
from server.media.thumbhash import thumbhash
from tests.server.media.drawing import Pixels, encoded, photo


def waves(width: int, height: int, seed: int = 0) -> Pixels:
    y, x = np.mgrid[0:height, 0:width]
    bands = [
        127 + 127 * np.sin(x / (5 + seed) + y / 17),
        127 + 127 * np.cos(y / (7 + seed) - x / 31),
        x * 255 / width * (1 - y / height),
    ]
    return np.stack(bands, 2).clip(0, 255).astype(np.uint8)


THUMBS = [
    (100, 75, 0, "1bea052d887086a57f88997b86c76da27fd08a7a06"),
    (40, 90, 2, "1bea09330c839baa587f96779ef07a4a4f"),
    (1, 1, 0, "df0d3d7f3f08f708888788708f7088f80888808008f7870f"),
    (100, 3, 1, "9d090a899e9dc80c6b7878778f95088a87"),
    (33, 100, 1, "daf909320c838c8b5b5c9f858fd16828af"),
]
PERCEPTUAL = [
    (512, 384, "554a001f554ac01f554a401f554f501f554fffbfa00afe9fa04afe9ea04afa1e"),
    (300, 512, "a1520007a8520007aa920006aaa2ffff5552ffe75552ffe65552ffe65552faa6"),
    (64, 64, "1aa70dd1b3e74351bbe7ed51aba79d51aea75d51aaa75d51aaa755550004000f"),
    (200, 100, "095425560fdca5560f5ca5560ffca5560ffca5564ffce5560a03a5010feb5aa9"),
    (127, 129, "170b227e070baa7e170baa7e5f0baa7eff2baa7eab2b00417f00aa5500fc55a1"),
]


@pytest.mark.parametrize(("width", "height", "seed", "hash"), THUMBS)
def test_thumbhash_is_that_of_its_reference(width: int, height: int, seed: int, hash: str) -> None:
    assert thumbhash(waves(width, height, seed)).hex() == hash


def test_thumbhash_takes_no_more_than_a_hundred_pixels() -> None:
    with pytest.raises(ValueError, match="101 × 9"):
        thumbhash(waves(101, 9))


@pytest.mark.parametrize(("width", "height", "hash"), PERCEPTUAL)
def test_pdq_is_that_of_its_reference(width: int, height: int, hash: str) -> None:
    assert perceptual_hash(waves(width, height)) == (bytes.fromhex(hash), 100)


def test_a_picture_is_known_again_when_it_is_scaled_and_compressed_and_another_is_not() -> None:
    def hash_of(pixels: Pixels, **options: int) -> bytes:
        found = rendered(encoded(pixels, "jpeg", **options))
        return hashed(found.variants["320"].jpg).perceptual or b""

    one, again, other = hash_of(photo(900, 600)), hash_of(photo(900, 600)[::2, ::2], Q=40), hash_of(photo(900, 600, 1))
    assert distance(one, again) <= 31
    assert distance(one, other) > 60


def test_a_picture_that_is_too_plain_has_no_hash_to_be_known_by() -> None:
    plain = np.full((200, 300, 3), 200, np.uint8)
    assert perceptual_hash(plain)[1] < SURE
    assert hashed(encoded(plain, "jpeg")).perceptual is None


def distance(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
