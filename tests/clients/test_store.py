"""Both stores remember the same things; the file also outlives the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tidings_client import Change, FileStore, MemoryStore, Store, Stored, Unsent
from tidings_client.codec import JSON, MSGPACK, Codec
from tidings_client.errors import Malformed

UNSENT = Unsent("7", "cid1", {"text": "line\u2028separator\nand\r more", "voice": {"waveform": b"\x00\xff"}})
CHANGES = [
    Change(user="1"),
    Change(position=("e", 5), since=99, heads={"7": 3, "8": 1}),
    Change(queued=UNSENT),
    Change(queued=Unsent("7", "cid2", {"text": "two"})),
    Change(settled=("7", "cid2")),
    Change(forgotten="8"),
    Change(heads={"7": 4}),
]
FOLDED = Stored("1", ("e", 5), 99, {"7": 4}, {("7", "cid1"): UNSENT})


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(FileStore(tmp_path / "client")) as store:
        yield store


def reread(path: Path) -> Stored:
    with closing(FileStore(path)) as store:
        return store.load()


def test_a_new_store_remembers_nothing(store: Store) -> None:
    assert store.load() == Stored()


def test_changes_fold_into_what_is_remembered(store: Store) -> None:
    for change in CHANGES:
        store.keep(change)
    assert store.load() == FOLDED


def test_what_was_loaded_is_the_callers_own(store: Store) -> None:
    store.load().heads["7"] = 9
    assert store.load().heads == {}


def test_the_file_outlives_its_store(tmp_path: Path) -> None:
    with closing(FileStore(tmp_path / "client")) as store:
        for change in CHANGES:
            store.keep(change)
    assert reread(tmp_path / "client") == FOLDED


def test_a_line_cut_short_by_a_crash_is_ignored_and_later_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "client"
    path.write_text('{"user":"1"}\n{"heads":{"7":', encoding="utf-8")
    with closing(FileStore(path)) as store:
        store.keep(Change(heads={"7": 2}))
    assert reread(path) == Stored(user="1", heads={"7": 2})


def test_the_file_does_not_grow_with_what_is_no_longer_true(tmp_path: Path) -> None:
    path = tmp_path / "client"
    waiting = Unsent("7", "cid", {"text": "x" * 4_000})
    with closing(FileStore(path)) as store:
        store.keep(Change(queued=waiting))
        for u in range(1_000):
            store.keep(Change(position=("e", u), heads={"7": u}))
            store.keep(Change(queued=Unsent("8", f"cid{u}", {"text": "x" * 4_000})))
            store.keep(Change(settled=("8", f"cid{u}")))
        assert path.stat().st_size < 2 * 1024 * 1024
        store.keep(Change(user="1"))
    assert reread(path) == Stored("1", ("e", 999), 0, {"7": 999}, {("7", "cid"): waiting})


@pytest.mark.parametrize("text", ["hello\n", "[]\n", '{"queued":[1]}\n', '{"epoch":"e"}\n'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "client").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="not a file of this store"):
        FileStore(tmp_path / "client").load()


@pytest.mark.parametrize("codec", [MSGPACK, JSON])
def test_a_message_survives_its_spelling(codec: Codec) -> None:
    message = {"op": "x", "id": 2**31, "text": "žluť 🦆", "voice": {"waveform": bytes(range(64))}, "none": None}
    assert codec.decode(codec.encode(message)) == message


def test_json_carries_bytes_as_padded_base64() -> None:
    assert JSON.encode({"voice": {"waveform": b"\xff"}}) == '{"voice":{"waveform":"/w=="}}'


@pytest.mark.parametrize(
    ("codec", "frame"),
    [
        (MSGPACK, "text"),
        (MSGPACK, b"\xc1"),
        (MSGPACK, b"\x81\xa1"),
        (MSGPACK, b"\x93\x01\x02\x03"),
        (MSGPACK, b"\x81\xa1a\xa1\xff"),
        (MSGPACK, b"\x91" * 5_000),
        (JSON, "{"),
        (JSON, "[]"),
        (JSON, b"\xff"),
        (JSON, "[" * 200_000),
        (JSON, '{"waveform":"!"}'),
    ],
)
def test_what_is_no_map_is_malformed(codec: Codec, frame: bytes | str) -> None:
    with pytest.raises(Malformed):
        codec.decode(frame)
