"""From bytes that came in to a picture that is shown, or never: once, whoever dies meanwhile."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import UNSET

from persistence.media.postgres import Claimed, Outcome, PostgresMedia, Steps
from persistence.objects.contract import Content
from persistence.objects.local import LocalObjects
from persistence.pool import Pool, open_pool
from protocol.media import MediaId, MediaSettled
from server.media.pipeline import ATTEMPTS
from server.media.variants import archive_key, original_key
from tests.server.media.drawing import CORNERS, corners, decoded, encoded, photo, seen
from tests.server.media.dying import POINTS
from tests.server.media.ground import OWNER, Ground, grounded
from tests.until import until

LEASE_MS = 10_000


@pytest.fixture
async def ground(database: str, tmp_path: Path) -> AsyncIterator[Ground]:
    async with grounded(database, tmp_path) as ground:
        yield ground


async def content(ground: Ground, key: str) -> bytes:
    return b"".join([part async for part in ground.objects.read(key)])


async def assert_ready(ground: Ground, media: MediaId, data: bytes) -> None:
    row = await ground.done(media)
    assert (row["state"], row["width"], row["height"], row["type"]) == ("ready", 700, 500, "image/jpeg")
    assert row["thumbhash"]
    assert row["perceptual"] is not None
    assert await ground.settled() == [MediaSettled(media, OWNER, "ready")]
    names = [f"media/{media}/{name}.{format}" for name in ("150", "320", "640", "1080") for format in ("jpg", "webp")]
    assert [listed.key for listed in await ground.objects.listed(f"media/{media}")] == sorted(names)
    assert await ground.objects.listed(f"upload/{media}") == []
    assert await ground.objects.size(original_key(media)) is None
    assert b"".join([part async for part in ground.cold.read(archive_key(media))]) == data


async def test_a_picture_that_came_in_is_ready_and_said_to_be(ground: Ground) -> None:
    data = encoded(photo(700, 500), "jpeg")
    async with ground.running():
        media = await ground.upload(data)
        await assert_ready(ground, media, data)
    percents = [percent for _, state, percent in ground.told if state == "processing"]
    assert percents == [5, 10, 80, 90, 95]
    assert ground.told[-1] == (media, "ready", UNSET)
    (candidate,) = ground.judged
    assert (candidate.media, candidate.owner, candidate.alike) == (media, OWNER, [])
    assert {family.name for family in ground.pipeline.figures.collect()} >= {"tidings_media_step_seconds"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (encoded(corners(), "jpeg")[:-400], "broken"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 2_000, "broken"),
    ],
)
async def test_what_nothing_can_be_made_of_is_rejected_and_removed(ground: Ground, data: bytes, reason: str) -> None:
    async with ground.running():
        media = await ground.upload(data)
        row = await ground.done(media)
    assert (row["state"], row["reason"], row["width"]) == ("rejected", reason, None)
    assert await ground.settled() == [MediaSettled(media, OWNER, "rejected")]
    assert ground.told[-1] == (media, "rejected", UNSET)
    assert ground.pipeline.figures.rejected == {reason: 1}
    for folder in (f"media/{media}", f"upload/{media}"):
        assert await ground.objects.listed(folder) == []
    assert await ground.objects.size(original_key(media)) is None


async def test_a_picture_that_is_blocked_is_never_shown_in_whatever_size_it_comes(ground: Ground) -> None:
    async with ground.running():
        first = await ground.upload(encoded(photo(900, 600), "jpeg"))
        await ground.done(first)
        hash = await ground.likeness.hash_of(first)
        assert hash is not None
        assert await ground.likeness.block(hash, "test")
        again = await ground.done(await ground.upload(encoded(photo(900, 600)[::2, ::2], "jpeg", Q=50)))
        other = await ground.done(await ground.upload(encoded(photo(900, 600, 1), "png")))
    assert (again["state"], again["reason"]) == ("rejected", "refused")
    assert other["state"] == "ready"
    assert ground.judged[1].alike == [first]


async def test_a_worker_that_is_killed_does_not_end_the_node_and_the_picture_is_ready(ground: Ground) -> None:
    data = encoded(photo(700, 500), "jpeg")
    (worker,) = ground.pipeline.workers
    async with ground.running():
        killed: list[int | None] = [None]
        for _ in range(3):
            await until(lambda: worker.pid not in killed)
            assert worker.pid is not None
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
        media = await ground.upload(data)
        await assert_ready(ground, media, data)


async def test_what_fails_again_and_again_is_rejected_in_the_end(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.pipeline.WAITS_MS", (1,))
    monkeypatch.setattr("server.media.pipeline.POLL_S", 0.01)
    media = await ground.upload(encoded(corners(), "jpeg"))
    await ground.objects.delete([listed.key for listed in await ground.objects.listed(f"upload/{media}")])
    async with ground.running():
        row = await ground.done(media)
    assert row["state"] == "rejected"
    assert row["attempts"] >= ATTEMPTS
    assert row["reason"].startswith("failed: assemble: upload")
    # Metrics name the step, and not each picture.
    assert ground.processing.figures.faults == {"assemble": ATTEMPTS}
    assert await ground.settled() == [MediaSettled(media, OWNER, "rejected")]


async def test_of_many_nodes_each_picture_has_one_at_a_time(ground: Ground) -> None:
    medias = [await ground.upload(encoded(corners(), "png")) for _ in range(6)]
    claimed = await asyncio.gather(*(ground.store.claim(LEASE_MS) for _ in range(8)))
    assert sorted(job.media for job in claimed if job) == medias
    assert claimed.count(None) == 2


async def test_whoever_was_overtaken_changes_nothing_any_more(ground: Ground) -> None:
    await ground.upload(encoded(corners(), "png"))
    late = await ground.store.claim(0)
    now = await ground.store.claim(LEASE_MS)
    assert isinstance(late, Claimed)
    assert isinstance(now, Claimed)
    assert not await ground.store.record(late, Steps(assembled=True), LEASE_MS)
    assert not await ground.store.settle(late, Outcome("rejected", "late"), LEASE_MS)
    await ground.store.postpone(late, 0, "late")
    await ground.store.finish(late)
    assert await ground.store.claim(LEASE_MS) is None
    assert await ground.store.record(now, Steps(type="image/png"), LEASE_MS)
    assert await ground.store.settle(now, Outcome("rejected", "broken"), 0)
    assert not await ground.store.settle(now, Outcome("ready", width=1, height=1), 0)
    assert len(await ground.settled()) == 1


class Overtaken(LocalObjects):
    """While the first variant is put, another node has had the picture, and has cleared it away."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        super().__init__(folder)
        self.pool = pool
        self.store: PostgresMedia | None = PostgresMedia(pool)

    async def put(self, key: str, content: Content) -> None:
        if key.startswith("media/"):
            store, self.store = self.store, None
            if store is not None:
                await self.pool.execute("update media set due_at = statement_timestamp()")
                other = await store.claim(LEASE_MS)
                assert isinstance(other, Claimed)
                assert await store.settle(other, Outcome("rejected", "refused"), 0)
                await store.finish(other)
        await super().put(key, content)


async def test_what_is_written_by_whoever_was_overtaken_is_cleared_away(database: str, tmp_path: Path) -> None:
    async with open_pool(database, 4) as pool:
        objects = Overtaken(tmp_path, pool)
        ground = Ground(pool, tmp_path, objects=objects)
        async with ground.running():
            media = await ground.upload(encoded(photo(700, 500), "jpeg"))
            # The first claim was overtaken by the second; the third is nobody's, the fourth clears what the first left.
            async with asyncio.timeout(30):
                while await pool.fetchval("select claim from media") < 4:
                    continue
            assert (await ground.done(media))["state"] == "rejected"
        assert await objects.listed(f"media/{media}") == []
        assert await objects.size(original_key(media)) is None


async def test_an_attempt_that_is_taken_back_leaves_its_claim_behind(ground: Ground) -> None:
    """A store was away: that is not the picture's fault, but two claims of one number would both be obeyed."""
    await ground.upload(encoded(corners(), "png"))
    late = await ground.store.claim(LEASE_MS)
    assert isinstance(late, Claimed)
    await ground.store.postpone(late, 0, None)
    now = await ground.store.claim(LEASE_MS)
    assert isinstance(now, Claimed)
    assert (late.attempts, now.attempts) == (1, 1)
    assert not await ground.store.record(late, Steps(assembled=True), LEASE_MS)
    assert not await ground.store.settle(late, Outcome("rejected", "late"), LEASE_MS)
    assert await ground.store.record(now, Steps(type="image/png"), LEASE_MS)


async def test_what_is_new_goes_before_what_is_only_to_be_put_away(ground: Ground) -> None:
    for reason in (None, "failed"):
        await ground.upload(encoded(corners(), "png"))
        job = await ground.store.claim(LEASE_MS)
        assert isinstance(job, Claimed)
        assert await ground.store.settle(job, Outcome("ready", width=1, height=1), LEASE_MS)
        await ground.store.postpone(job, 0, reason)
    new = await ground.upload(encoded(corners(), "png"))
    order = [job.media for _ in range(3) if (job := await ground.store.claim(LEASE_MS))]
    assert (order[0], len(order)) == (new, 3)


async def test_a_bug_in_the_way_of_one_picture_costs_that_picture_and_nothing_else(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.pipeline.WAITS_MS", (1,))
    monkeypatch.setattr("server.media.pipeline.POLL_S", 0.01)
    bad = await ground.upload(encoded(corners(), "png"))
    ground.broken = bad
    async with ground.running() as running:
        good = await ground.upload(encoded(corners(), "png"))
        assert (await ground.done(good))["state"] == "ready"
        row = await ground.done(bad)
        assert not any(work.done() for work in running)
    assert (row["state"], row["reason"]) == ("rejected", "failed: bug: ZeroDivisionError")
    assert len([one for one in ground.judged if one.media == bad]) == ATTEMPTS


class KeepingFails(PostgresMedia):
    """Nothing that is only kept is recorded."""

    async def record(self, job: Claimed, found: Steps, lease_ms: int) -> bool:
        if found == Steps():
            raise ZeroDivisionError
        return await super().record(job, found, lease_ms)


async def test_a_bug_in_keeping_pictures_does_not_end_the_node(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.media.pipeline.LEASE_MS", 3)
    async with open_pool(database, 4) as pool:
        ground = Ground(pool, tmp_path, store=KeepingFails(pool))
        async with ground.running() as running:
            row = await ground.done(await ground.upload(encoded(photo(700, 500), "jpeg")))
            assert not any(work.done() for work in running)
    assert row["state"] == "ready"


@pytest.mark.verify
@pytest.mark.parametrize("point", POINTS)
async def test_a_node_that_is_killed_anywhere_leaves_a_picture_that_others_make_ready_once(
    database: str, tmp_path: Path, point: str
) -> None:
    data = encoded(photo(700, 500), "jpeg")
    async with grounded(database, tmp_path) as ground:
        media = await ground.upload(data)
        command = [sys.executable, "-m", "tests.server.media.dying", database, str(tmp_path), point]
        process = await asyncio.create_subprocess_exec(*command)
        assert await process.wait() == -signal.SIGKILL
        # As if its lease were over.
        await ground.pool.execute("update media set due_at = statement_timestamp() where due_at is not null")
        async with ground.running():
            await assert_ready(ground, media, data)
        variant = await content(ground, f"media/{media}/640.webp")
        assert decoded(variant).shape == (457, 640, 3)


async def test_corners_are_where_they_were(ground: Ground) -> None:
    async with ground.running():
        media = await ground.upload(encoded(corners(), "png"), cut=1)
        await ground.done(media)
    found = seen(decoded(await content(ground, f"media/{media}/320.jpg")))
    assert all(abs(a - b) < 12 for one, two in zip(found, CORNERS, strict=True) for a, b in zip(one, two, strict=True))
