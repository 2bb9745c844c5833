"""Addresses of pictures: whom they are good for, and how long they stay the same."""

from urllib.parse import parse_qs, urlsplit

import pytest

from protocol.ids import Millis
from server.media.addresses import AHEAD_MS, SAME_MS, MediaAddresses

KEYS = [("new", b"n" * 32), ("old", b"o" * 32)]
NOW = Millis(1_800_000_000_000)
VIEWER, MEDIA = "8796093022209", "8796093022210"


def addresses(now: int = NOW, keys: list[tuple[str, bytes]] = KEYS) -> MediaAddresses:
    return MediaAddresses(keys, lambda: Millis(now))


def parts(url: str) -> tuple[str, str, int, str]:
    split = urlsplit(url)
    query = {name: value for name, (value,) in parse_qs(split.query, strict_parsing=True).items()}
    return split.path, query["viewer"], int(query["until"]), query["signature"]


def test_an_address_holds_for_its_viewer_its_picture_and_its_end_alone() -> None:
    its = addresses()
    path, viewer, until, signature = parts(its.url(VIEWER, MEDIA))
    assert (path, viewer) == (f"/v1/media/{MEDIA}/{{variant}}", VIEWER)
    assert its.holds(VIEWER, MEDIA, until, signature)
    assert not its.holds("8796093022211", MEDIA, until, signature)
    assert not its.holds(VIEWER, "8796093022211", until, signature)
    assert not its.holds(VIEWER, MEDIA, until + 1, signature)
    for wrong in ("", signature[:-1], signature + "A", "é" * len(signature), signature.swapcase()):
        assert not its.holds(VIEWER, MEDIA, until, wrong)


def test_an_address_is_good_for_a_day_and_the_same_for_hours() -> None:
    seen = [parts(addresses(NOW + passed).url(VIEWER, MEDIA))[2] for passed in range(0, 2 * SAME_MS, SAME_MS // 100)]
    assert len(set(seen)) in (2, 3)
    for n, until in enumerate(seen):
        now = NOW + n * (SAME_MS // 100)
        assert now + AHEAD_MS < until <= now + AHEAD_MS + SAME_MS


def test_addresses_of_many_pictures_do_not_all_change_at_the_same_moment() -> None:
    assert len({parts(addresses().url(VIEWER, str(media)))[2] for media in range(10**12, 10**12 + 100)}) == 100


def test_the_end_of_a_story_is_exact() -> None:
    assert parts(addresses().url(VIEWER, MEDIA, Millis(NOW + 17)))[2] == NOW + 17


def test_an_address_holds_while_its_key_is_known_in_whatever_place() -> None:
    _, viewer, until, signature = parts(addresses(keys=KEYS[1:]).url(VIEWER, MEDIA))
    assert addresses().holds(viewer, MEDIA, until, signature)
    assert not addresses(keys=KEYS[:1]).holds(viewer, MEDIA, until, signature)


def test_addresses_without_a_key_are_refused() -> None:
    with pytest.raises(ValueError, match="need a key"):
        MediaAddresses([], lambda: NOW)
