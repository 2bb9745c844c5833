"""The contract of objects, on a folder and on a real server of S3."""

import errno
import itertools
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from persistence.faults import UnavailableError
from persistence.objects.contract import Listed, ObjectAbsent, Objects
from persistence.objects.local import ABANDONED_S, UNFINISHED, LocalObjects
from persistence.objects.opening import open_objects
from protocol.media import MediaId
from server.uploads.assembling import IncompleteError, assemble, piece_key
from tests.s3_server import KEY, SECRET, SeaweedFS, s3_server

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.verify)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "s3":
        server: SeaweedFS = request.getfixturevalue("s3")
        return server.objects(f"test/{next(_numbers)}")
    return LocalObjects(tmp_path / "objects")


async def kept(objects: Objects, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([part async for part in objects.read(key, start, end)])


async def parts(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def test_what_was_put_is_read_whole_and_in_part(objects: Objects) -> None:
    content = os.urandom(700_000)
    await objects.put("media/1/640.webp", content)
    assert await objects.size("media/1/640.webp") == len(content)
    assert await kept(objects, "media/1/640.webp") == content
    assert await kept(objects, "media/1/640.webp", 699_990) == content[699_990:]
    assert await kept(objects, "media/1/640.webp", 300_000, 300_007) == content[300_000:300_007]
    assert await kept(objects, "media/1/640.webp", 699_990, 800_000) == content[699_990:]
    assert await kept(objects, "media/1/640.webp", 5, 5) == b""


async def test_an_object_may_come_in_parts_and_be_empty(objects: Objects) -> None:
    await objects.put("media/1/150.jpg", parts(b"a" * 100_000, b"", b"b"))
    assert await kept(objects, "media/1/150.jpg") == b"a" * 100_000 + b"b"
    await objects.put("media/1/empty", b"")
    assert await objects.size("media/1/empty") == 0
    assert await kept(objects, "media/1/empty") == b""


async def test_one_larger_than_a_part_of_s3_comes_back_as_it_was(objects: Objects) -> None:
    content = os.urandom(21 << 20)
    await objects.put("original/1", content)
    await objects.put("original/2", parts(*(content[at : at + 999_999] for at in range(0, len(content), 999_999))))
    assert await kept(objects, "original/1") == await kept(objects, "original/2") == content


async def test_a_put_takes_the_place_of_what_was_there(objects: Objects) -> None:
    await objects.put("original/1", b"longer than the next")
    await objects.put("original/1", bytearray(b"next"))
    assert await kept(objects, "original/1") == b"next"


async def test_a_put_that_breaks_off_leaves_what_was_there(objects: Objects) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield b"a" * 300_000
        raise ZeroDivisionError

    await objects.put("original/1", b"before")
    for key in ("original/1", "original/2"):
        with pytest.raises((ZeroDivisionError, UnavailableError)):
            await objects.put(key, breaking())
    assert await kept(objects, "original/1") == b"before"
    assert await objects.size("original/2") is None


async def test_what_is_absent_is_told(objects: Objects) -> None:
    assert await objects.size("original/1") is None
    assert await objects.listed("upload/1") == []
    await objects.delete(["original/1"])
    with pytest.raises(ObjectAbsent):
        await kept(objects, "original/1")
    with pytest.raises((ObjectAbsent, UnavailableError)):
        await objects.join(["original/1"], "original/2")
    assert await objects.size("original/2") is None


async def test_a_folder_is_listed_without_what_lies_deeper_and_beside(objects: Objects) -> None:
    for key in ("upload/1/0.1", "upload/1/5.1", "upload/10/0.1", "upload/1/deeper/0"):
        await objects.put(key, b"12345")
    assert await objects.listed("upload/1") == [Listed("upload/1/0.1", 5), Listed("upload/1/5.1", 5)]


async def test_what_was_deleted_is_gone_and_may_come_again(objects: Objects) -> None:
    for _ in range(2):
        await objects.put("upload/1/0.1", b"x")
        await objects.delete(["upload/1/0.1", "upload/1/7.1"])
        assert await objects.listed("upload/1") == []


async def test_joined_objects_follow_each_other_and_stay(objects: Objects) -> None:
    contents = [os.urandom(6 << 20), b"", b"tail"]
    keys = [f"upload/1/{number}.1" for number in range(3)]
    for key, content in zip(keys, contents, strict=True):
        await objects.put(key, content)
    await objects.join(keys, "original/1")
    assert await kept(objects, "original/1") == b"".join(contents)
    assert await objects.size(keys[2]) == 4


@pytest.mark.parametrize("copied", [0, 100_000])
async def test_pieces_are_joined_where_the_file_system_copies_nothing_itself_or_only_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
) -> None:
    """As overlays and network file systems do."""

    def refusing(source: int, target: int, count: int) -> int:
        if copied and not os.lseek(source, 0, os.SEEK_CUR):
            return os.write(target, os.read(source, copied))
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "copy_file_range", refusing)
    objects = LocalObjects(tmp_path)
    contents = [os.urandom(700_000), b"", os.urandom(5)]
    for number, content in enumerate(contents):
        await objects.put(f"upload/1/{number}.1", content)
    await objects.join([f"upload/1/{number}.1" for number in range(3)], "original/1")
    assert await kept(objects, "original/1") == b"".join(contents)


FOREIGN = [
    *("", "a", "/a/b", "a/b/", "a//b", "../a", "a/../b", "a/..", "a/.hidden", "a/b\0c", "a/b\n", "a/b c", "a\\b/c"),
    *("a/é", "/".join("abcdef"), "a/" + "b" * 200),
]


@pytest.mark.parametrize("key", FOREIGN)
async def test_a_key_that_could_lead_elsewhere_is_refused(objects: Objects, key: str) -> None:
    for work in (objects.put(key, b""), objects.size(key), objects.delete([key]), objects.join([key], "a/b")):
        with pytest.raises(ValueError, match="no key"):
            await work
    with pytest.raises(ValueError, match="no key"):
        await kept(objects, key)


async def test_pieces_are_assembled_once_and_again(objects: Objects) -> None:
    upload = MediaId("77")
    # The first writer died behind its second piece; the next one brought other pieces from 5 on, the last wins there.
    for start, claim, content in [(0, 1, b"01234"), (5, 1, b"lost!!"), (5, 3, b"567"), (5, 2, b"xx"), (8, 3, b"89")]:
        await objects.put(piece_key(upload, start, claim), content)
    with pytest.raises(IncompleteError):
        await assemble(objects, upload, "original/77", 11)
    for _ in range(2):
        await assemble(objects, upload, "original/77", 10)
        assert await kept(objects, "original/77") == b"0123456789"
        assert await objects.listed("upload/77") == []
    with pytest.raises(IncompleteError):
        await assemble(objects, upload, "original/78")


@pytest.mark.verify
async def test_s3_takes_one_put_from_whoever_has_its_url(s3: SeaweedFS) -> None:
    objects = s3.objects("presigned")
    url = objects.presigned("upload/5/0.0", 60)
    assert url
    async with aiohttp.ClientSession() as session:
        async with session.put(url, data=b"straight in") as answer:
            assert answer.status == 200
        async with session.put(url.replace("upload/5", "upload/6"), data=b"elsewhere") as answer:
            assert answer.status == 403
    assert await kept(objects, "upload/5/0.0") == b"straight in"
    assert await objects.size("upload/6/0.0") is None


async def test_a_store_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    away = open_objects("s3://pictures/p", "http://127.0.0.1:1", "us-east-1", KEY, SECRET)
    for objects in (LocalObjects(tmp_path / "file"), away):
        with pytest.raises(UnavailableError):
            await objects.put("a/b", b"x")
        with pytest.raises(UnavailableError):
            await objects.size("a/b")
    assert away.presigned("a/b", 5)


async def test_what_a_killed_process_began_is_removed_after_a_day(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    await objects.put("a/b", b"x")
    assert list((tmp_path / UNFINISHED).iterdir()) == []
    for name, age in (("old", ABANDONED_S + 10), ("young", 10)):
        (tmp_path / UNFINISHED / name).write_bytes(b"")
        os.utime(tmp_path / UNFINISHED / name, (time.time() - age,) * 2)
    open_objects(str(tmp_path), "", "", "", "")
    assert [path.name for path in (tmp_path / UNFINISHED).iterdir()] == ["young"]


async def test_what_others_remove_meanwhile_hides_nothing_else(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "objects")
    await objects.put("upload/1/stays", b"1")
    ended = threading.Event()

    def come_and_go() -> None:
        files = [tmp_path / "objects" / "upload" / "1" / f"goes{n}" for n in range(50)]
        while not ended.is_set():
            for file in files:
                file.touch()
            for file in files:
                file.unlink()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        found = [await objects.listed("upload/1") for _ in range(2_000)]
    finally:
        ended.set()
        thread.join()
    assert all(Listed("upload/1/stays", 1) in listed for listed in found)
