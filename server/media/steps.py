"""What is done for one picture, in order; each step can be done again from the beginning, and what is done is recorded.

assemble ─ inspect ─ render ─ hash ─ moderate ─ settle ─ archive, or clear what is of a rejected picture
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from persistence.media.likeness import PostgresLikeness
from persistence.media.postgres import Claimed, Outcome, PostgresMedia, Steps
from persistence.objects.contract import ObjectAbsent, Objects
from protocol.ids import UserId
from protocol.media import VARIANTS
from server.media.figures import Figures
from server.media.findings import Hashed, Inspected, Rendered
from server.media.moderation import Candidate, Moderate
from server.media.variants import FORMATS, archive_key, kept, kept_as, object_key, original_key
from server.media.worker import Step
from server.media.workers import Worker
from server.uploads.assembling import IncompleteError, assemble
from server.uploads.progress import State

LEASE_MS = 10_000
"""How long a picture stays with a node that says nothing more of it."""
MOST_BYTES = 128 << 20

_Found = TypeVar("_Found", Inspected, Rendered, Hashed)

Tell = Callable[[UserId, str, State, int | UnsetType], None]


class OvertakenError(Exception):
    """Somebody else has the picture now."""


class FaultyError(Exception):
    """A step failed, and may fail again; the message says which, a colon, and how."""


class RejectedError(Exception):
    """It will never be shown; the message is why."""


class Processing:
    """`cold` is where originals go; it may be the same as `objects`. `tell` reaches the owner, live;
    `settled` is called when the event is written for which posts wait."""

    def __init__(
        self,
        store: PostgresMedia,
        likeness: PostgresLikeness,
        objects: Objects,
        cold: Objects,
        moderate: Moderate,
        tell: Tell,
        settled: Callable[[], None],
    ) -> None:
        self.figures = Figures()
        self._store = store
        self._likeness = likeness
        self._objects = objects
        self._cold = cold
        self._moderate = moderate
        self._tell = tell
        self._settled = settled

    async def go_on(self, job: Claimed, worker: Worker) -> None:
        """Do what is left to be done.

        Raises RejectedError, FaultyError, OvertakenError, and UnavailableError when a store is away.
        """
        if job.state == "processing":
            outcome = await self._processed(job, worker)
            await self.settle(job, outcome)
            job = msgspec.structs.replace(job, state="ready", width=outcome.width)
        if job.state == "ready":
            await self._archive(job)
        else:
            await self._clear(job)
        await self._store.finish(job)

    async def settle(self, job: Claimed, outcome: Outcome) -> None:
        """It is ready, or rejected for good: tell so. Raises OvertakenError, UnavailableError."""
        # What is of a rejected picture is cleared by whoever is free.
        if not await self._store.settle(job, outcome, LEASE_MS if outcome.state == "ready" else 0):
            raise OvertakenError
        self.figures.pictures[outcome.state] += 1
        if outcome.reason is not None:
            self.figures.rejected[outcome.reason.partition(":")[0]] += 1
        self._tell(job.owner, job.media, outcome.state, UNSET)
        self._settled()

    async def _processed(self, job: Claimed, worker: Worker) -> Outcome:
        done = job.steps
        if job.bytes > MOST_BYTES:
            raise RejectedError("too large")
        if not done.assembled:
            done = await self._assemble(job, done)
        if done.type is None:
            inspected = await self._asked(job, worker, "inspect", original_key(job.media), Inspected)
            done = await self._record(job, done, 10, type=f"image/{inspected.kind}")
        if done.width is None:
            done = await self._render(job, done, worker)
        if done.thumbhash is None:
            done = await self._hash(job, done, worker)
        if not done.moderated:
            done = await self._judge(job, done)
        return _outcome(done)

    async def _record(self, job: Claimed, done: Steps, percent: int, **found: Any) -> Steps:
        """Note it, and that the picture is still ours."""
        if not await self._store.record(job, Steps(**found), LEASE_MS):
            raise OvertakenError
        self._tell(job.owner, job.media, "processing", percent)
        return msgspec.structs.replace(done, **found)

    async def _assemble(self, job: Claimed, done: Steps) -> Steps:
        with self.figures.timed("assemble"):
            try:
                await assemble(self._objects, job.media, original_key(job.media), job.bytes)
            except IncompleteError as fault:
                raise FaultyError(f"assemble: {fault}") from fault
        return await self._record(job, done, 5, assembled=True)

    async def _render(self, job: Claimed, done: Steps, worker: Worker) -> Steps:
        rendered = await self._asked(job, worker, "render", original_key(job.media), Rendered)
        with self.figures.timed("keep"):
            for name, pair in rendered.variants.items():
                await self._objects.put(object_key(job.media, name, "jpg"), pair.jpg)
                await self._objects.put(object_key(job.media, name, "webp"), pair.webp)
        return await self._record(job, done, 80, width=rendered.width, height=rendered.height)

    async def _hash(self, job: Claimed, done: Steps, worker: Worker) -> Steps:
        assert done.width is not None
        key = object_key(job.media, kept_as("640", done.width), "jpg")
        hashed = await self._asked(job, worker, "hash", key, Hashed)
        bits = hashed.perceptual.hex() if hashed.perceptual else None
        return await self._record(job, done, 90, thumbhash=hashed.thumbhash.hex(), perceptual=bits)

    async def _judge(self, job: Claimed, done: Steps) -> Steps:
        """Raises RejectedError."""
        with self.figures.timed("moderate"):
            assert done.width is not None
            bits = _bits(done)
            keys = [object_key(job.media, name, format) for name in kept(done.width) for format in FORMATS]
            alike = await self._likeness.alike(job.owner, job.media, bits) if bits else []
            if not await self._moderate(Candidate(job.media, job.owner, keys, bits, alike)):
                raise RejectedError("refused")
        return await self._record(job, done, 95, moderated=True)

    async def _asked(self, job: Claimed, worker: Worker, step: Step, key: str, found: type[_Found]) -> _Found:
        """What a worker finds in that object."""
        with self.figures.timed(step):
            size = await self._objects.size(key)
            if size is None:
                raise FaultyError(f"{step}: the object {key} is absent")
            try:
                outcome = await worker.work(step, size, _whole(self._objects, key, size))
            except (ObjectAbsent, EOFError, OSError) as fault:
                raise FaultyError(f"{step}: {fault!r}") from fault
            if outcome.unfit:
                raise RejectedError(outcome.unfit)
            if outcome.fault:
                raise FaultyError(f"{step}: {outcome.fault}")
            try:
                return msgspec.msgpack.decode(outcome.found, type=found)
            except msgspec.MsgspecError as fault:
                # Whatever has taken it over: nothing of that goes any further.
                raise FaultyError(f"{step}: {fault}") from fault

    async def _archive(self, job: Claimed) -> None:
        """The original goes where what is rarely read is kept."""
        key, cold = original_key(job.media), archive_key(job.media)
        with self.figures.timed("archive"):
            try:
                await self._cold.put(cold, self._objects.read(key))
            except ObjectAbsent:
                # It went there before.
                return
            await self._objects.delete([key])

    async def _clear(self, job: Claimed) -> None:
        """Nothing is kept of a picture that was rejected."""
        keys = [object_key(job.media, name, format) for name in VARIANTS for format in FORMATS]
        pieces = await self._objects.listed(f"upload/{job.media}")
        await self._objects.delete([original_key(job.media), *keys, *(piece.key for piece in pieces)])
        # It may have been shown before: what it was part of is deleted.
        await self._cold.delete([archive_key(job.media)])


def _outcome(done: Steps) -> Outcome:
    assert done.thumbhash is not None
    return Outcome(
        state="ready",
        type=done.type,
        width=done.width,
        height=done.height,
        thumbhash=bytes.fromhex(done.thumbhash),
        perceptual=_bits(done),
    )


def _bits(done: Steps) -> bytes | None:
    return bytes.fromhex(done.perceptual) if done.perceptual else None


async def _whole(objects: Objects, key: str, size: int) -> AsyncIterator[bytes]:
    """The object's bytes; EOFError if they are not as many as was said, which a worker would wait for."""
    left = size
    async for part in objects.read(key):
        left -= len(part)
        if left < 0:
            break
        yield part
    if left:
        raise EOFError(f"the object {key} has changed")
