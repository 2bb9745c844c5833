"""Who writes: the latest claim, whatever became of the writer before it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import UNSET

from persistence.faults import UnavailableError
from persistence.objects.local import LocalObjects
from persistence.uploads.postgres import PostgresUploads, Upload
from protocol.ids import UserId
from server.uploads.assembling import piece_key
from server.uploads.refusals import DAY_FULL, ELSEWHERE, EXPIRED, HELD, UNFINISHED_FULL
from tests.server.uploads.rig import PIECE, Rig, picture

ADA = UserId("7168")


async def all_of(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Paused:
    """A body that waits within."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._first, self._rest = first, rest
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def parts(self) -> AsyncIterator[bytes]:
        yield self._first
        self.reached.set()
        await self.go.wait()
        yield self._rest


async def test_a_writer_that_was_paused_is_overtaken_and_harms_nothing(rig: Rig) -> None:
    content, other = picture(3 * PIECE), picture(3 * PIECE)[:PIECE] + b"?" * 2 * PIECE
    upload = await rig.uploads.create(ADA, len(content), "")
    assert isinstance(upload, Upload)
    body = Paused(other[:PIECE], other[PIECE:])
    async with asyncio.TaskGroup() as group:
        paused = group.create_task(rig.uploads.write(upload.id, ADA, 0, None, body.parts(), None))
        await body.reached.wait()
        assert await rig.uploads.write(upload.id, ADA, PIECE, None, all_of(content[PIECE:]), None) is HELD
        await rig.pool.execute("update upload set held_until = statement_timestamp()")
        half = await rig.uploads.write(upload.id, ADA, PIECE, None, all_of(content[PIECE : 2 * PIECE]), None)
        assert isinstance(half, Upload)
        body.go.set()
        assert await paused is ELSEWHERE
    # What it wrote meanwhile is gone, or lies where it does not count.
    done = await rig.uploads.write(upload.id, ADA, 2 * PIECE, None, all_of(content[2 * PIECE :]), None)
    assert isinstance(done, Upload)
    assert done.finished
    assert await rig.stored(upload.id) == content


async def test_a_dead_writer_is_in_the_way_for_five_seconds_at_most(rig: Rig) -> None:
    upload = await rig.uploads.create(ADA, 5 * PIECE, "")
    assert isinstance(upload, Upload)
    assert await rig.store.claim(upload.id, ADA, 0, 5_000)
    left = await rig.pool.fetchval("select extract(epoch from held_until - statement_timestamp()) from upload")
    assert 4 < left <= 5
    assert await rig.uploads.write(upload.id, ADA, 0, None, all_of(b""), None) is HELD


async def test_an_upload_that_ends_ends_its_writer(rig: Rig) -> None:
    content = picture(3 * PIECE)
    upload = await rig.uploads.create(ADA, len(content), "")
    assert isinstance(upload, Upload)
    body = Paused(content[:PIECE], content[PIECE:])
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(rig.uploads.write(upload.id, ADA, 0, None, body.parts(), None))
        await body.reached.wait()
        assert await rig.uploads.end(upload.id, ADA) is None
        body.go.set()
        assert await writing is ELSEWHERE
    assert await rig.objects.listed(f"upload/{upload.id}") == []


async def test_what_a_writer_puts_after_the_end_and_dies_of_is_removed(rig: Rig) -> None:
    upload = await rig.uploads.create(ADA, 5 * PIECE, "")
    assert isinstance(upload, Upload)
    assert await rig.store.claim(upload.id, ADA, 0, 5_000)
    assert await rig.uploads.end(upload.id, ADA) is None
    await rig.objects.put(piece_key(upload.id, 0, 1), picture(PIECE))
    assert await rig.uploads.cleaning.clean() == 0
    ago = "update upload set held_until = held_until - interval '{0}', expires_at = expires_at - interval '{0}'"
    await rig.pool.execute(ago.format("3 minutes"))
    assert await rig.uploads.cleaning.clean() == 1
    assert await rig.objects.listed(f"upload/{upload.id}") == []


class Meanwhile(LocalObjects):
    """Before anything is read something else happens."""

    happens: Callable[[], Awaitable[object]]

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        await self.happens()
        async for part in super().read(key, start, end):
            yield part


async def put_and_announced(rig: Rig, folder: Path) -> tuple[Meanwhile, Upload]:
    rig.objects = objects = Meanwhile(folder)
    rig.grant()
    upload = await rig.uploads.create(ADA, PIECE, "")
    assert isinstance(upload, Upload)
    await rig.objects.put(piece_key(upload.id, 0, 0), picture(PIECE))
    return objects, upload


async def test_a_direct_upload_that_ends_while_it_is_completed_is_told_as_ended(rig: Rig, tmp_path: Path) -> None:
    objects, upload = await put_and_announced(rig, tmp_path)
    objects.happens = lambda: rig.uploads.end(upload.id, ADA)
    assert await rig.uploads.complete(upload.id, ADA) == EXPIRED


async def test_a_completion_that_fails_is_in_nobodys_way(rig: Rig, tmp_path: Path) -> None:
    async def away() -> None:
        raise UnavailableError

    objects, upload = await put_and_announced(rig, tmp_path)
    objects.happens = away
    with pytest.raises(UnavailableError):
        await rig.uploads.complete(upload.id, ADA)
    found = await rig.uploads.look(upload.id, ADA)
    assert isinstance(found, Upload)
    assert not found.held


class Unheard(PostgresUploads):
    """Carries everything out; the answers to what counts bytes are lost."""

    async def accept(self, upload: Upload, start: int, end: int, hold_ms: int) -> bool:
        await super().accept(upload, start, end, hold_ms)
        raise UnavailableError

    async def finish(self, upload: Upload, start: int) -> bool:
        await super().finish(upload, start)
        raise UnavailableError


async def test_what_counts_stays_though_the_answer_to_it_was_lost(rig: Rig) -> None:
    content = picture(3 * PIECE)
    upload = await rig.uploads.create(ADA, len(content), "")
    assert isinstance(upload, Upload)
    rig.store = Unheard(rig.pool)
    rig.grant()
    for start, end in ((0, PIECE), (PIECE, 2 * PIECE), (2 * PIECE, 3 * PIECE)):
        with pytest.raises(UnavailableError):
            await rig.uploads.write(upload.id, ADA, start, None, all_of(content[start:end]), None)
        found = await rig.uploads.look(upload.id, ADA)
        assert isinstance(found, Upload)
        assert (found.received, found.held) == (end, False)
    assert await rig.media(upload.id)
    assert await rig.stored(upload.id) == content


async def test_quotas_hold_for_those_who_announce_much_at_once(rig: Rig) -> None:
    rig.grant(day_bytes=1_000, day_files=6, unfinished=5)
    await rig.pool.execute("insert into account (id, username) values (7168, 'ada') on conflict do nothing")
    made = await asyncio.gather(*(rig.uploads.create(ADA, 300, "") for _ in range(8)))
    assert sum(isinstance(one, Upload) for one in made) == 3
    made = await asyncio.gather(*(rig.uploads.create(ADA, 10, "") for _ in range(8)))
    assert sum(isinstance(one, Upload) for one in made) == 2
    await rig.pool.execute("update upload set created_at = created_at - interval '1 day', media = id")
    assert isinstance(await rig.uploads.create(ADA, 900, ""), Upload)
    # However small they are, each is work.
    for _ in range(5):
        assert isinstance(await rig.uploads.create(ADA, 1, ""), Upload)
        await rig.pool.execute("update upload set media = id")
    assert await rig.uploads.create(ADA, 1, "") == DAY_FULL


async def test_what_was_left_longest_ago_gives_way_to_what_is_begun_now(rig: Rig) -> None:
    rig.grant(unfinished=3)
    await rig.pool.execute("insert into account (id, username) values (7168, 'ada') on conflict do nothing")
    left, written, lasting = [await rig.uploads.create(ADA, 3 * PIECE, "") for _ in range(3)]
    assert isinstance(left, Upload)
    assert isinstance(written, Upload)
    assert isinstance(lasting, Upload)
    await rig.uploads.write(left.id, ADA, 0, None, all_of(picture(PIECE)), None)
    assert await rig.uploads.create(ADA, PIECE, "") is UNFINISHED_FULL
    ago = "update upload set created_at = created_at - interval '{0}', held_until = held_until - interval '{0}'"
    await rig.pool.execute(ago.format("10 minutes"))
    await rig.uploads.write(written.id, ADA, 0, None, all_of(picture(PIECE)), None)
    await rig.store.claim(lasting.id, ADA, 0, 5_000)
    assert isinstance(await rig.uploads.create(ADA, PIECE, ""), Upload)
    assert await rig.uploads.look(left.id, ADA) == EXPIRED
    assert await rig.uploads.create(ADA, PIECE, "") is UNFINISHED_FULL
    assert await rig.uploads.cleaning.clean() == 1
    assert await rig.objects.listed(f"upload/{left.id}") == []


async def test_what_was_received_counts_for_a_day_however_soon_uploads_expire(rig: Rig) -> None:
    rig.grant(day_bytes=1_000, expire_s=60)
    upload = await rig.uploads.create(ADA, 1_000, "")
    assert isinstance(upload, Upload)
    await rig.uploads.write(upload.id, ADA, 0, None, all_of(picture(1_000)), None)
    await rig.pool.execute("update media set state = 'ready'")
    ago = "update upload set created_at = created_at - interval '{0}', expires_at = expires_at - interval '{0}'"
    await rig.pool.execute(ago.format("23 hours"))
    assert await rig.uploads.cleaning.clean() == 0
    assert await rig.uploads.create(ADA, 1_000, "") == DAY_FULL
    await rig.pool.execute(ago.format("1 hour"))
    assert await rig.uploads.cleaning.clean() == 1


async def test_an_announcement_with_a_known_cid_is_the_same_one(rig: Rig) -> None:
    first, again = [await rig.uploads.create(ADA, 300, "", "cid") for _ in range(2)]
    assert isinstance(first, Upload)
    assert isinstance(again, Upload)
    assert (again.id, again.known, first.known) == (first.id, True, False)


async def test_owners_are_told_how_far_it_is_once_a_second_at_most(rig: Rig) -> None:
    content = picture(4 * PIECE)
    upload = await rig.uploads.create(ADA, len(content), "")
    assert isinstance(upload, Upload)

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(content), PIECE // 2):
            yield content[start : start + PIECE // 2]
            rig.stack.now_s += 0.6

    await rig.uploads.write(upload.id, ADA, 0, None, slowly(), None)
    assert [(event.state, event.percent, event.media) for _, event in rig.told] == [
        *(("received", percent, UNSET) for percent in (37, 62, 87)),
        ("received", 100, upload.id),
    ]
    assert {user for user, _ in rig.told} == {ADA}
