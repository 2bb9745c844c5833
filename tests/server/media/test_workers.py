"""Workers: what a child may do, and that whatever becomes of it costs one attempt and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from server.media.findings import Hashed, Inspected, Rendered
from server.media.worker import Step
from server.media.workers import Confines, Worker
from tests.server.media.drawing import corners, encoded
from tests.until import until

CONFINES = Confines(512 << 20)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(CONFINES)
    yield worker
    await worker.close()


async def parts(data: bytes) -> AsyncIterator[bytes]:
    for place in range(0, len(data), 100_000):
        yield data[place : place + 100_000]


async def found(worker: Worker, step: Step, data: bytes) -> bytes:
    outcome = await worker.work(step, len(data), parts(data))
    assert (outcome.unfit, outcome.fault) == ("", "")
    return outcome.found


async def test_a_worker_looks_at_one_picture_after_the_other(worker: Worker) -> None:
    data = encoded(corners(), "jpeg")
    assert msgspec.msgpack.decode(await found(worker, "inspect", data), type=Inspected) == Inspected("jpeg", 400, 300)
    pid = worker.pid
    assert msgspec.msgpack.decode(await found(worker, "render", data), type=Rendered).width == 400
    refused = await worker.work("render", 9, parts(b"<svg></sv"))
    assert refused.unfit == "not a picture"
    assert msgspec.msgpack.decode(await found(worker, "render", data), type=Rendered).height == 300
    assert worker.pid == pid


async def test_a_worker_that_is_killed_costs_that_attempt_alone(worker: Worker) -> None:
    data = encoded(corners(), "jpeg")
    await found(worker, "inspect", data)
    begun = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield data[:-1]
        begun.set()
        await asyncio.Event().wait()

    work = asyncio.ensure_future(worker.work("render", len(data), stuck()))
    await begun.wait()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    # What is left of the picture goes to nobody, or comes too late: either is noticed.
    work.cancel()
    await asyncio.wait([work])
    await found(worker, "render", data)


async def test_what_does_not_fit_into_a_childs_memory_is_refused() -> None:
    worker = Worker(Confines(4 << 20))
    # All of a progressive JPEG is in memory before there is a pixel of it.
    data = encoded(np.zeros((3_000, 4_000, 3), np.uint8), "jpeg", interlace=True)
    outcome = await worker.work("render", len(data), parts(data))
    assert (outcome.unfit, outcome.fault) == ("too large", "")
    await worker.close()


async def test_what_takes_too_long_fails_and_the_next_one_does_not() -> None:
    worker = Worker(Confines(512 << 20, wall_s=0.4))
    large = encoded(np.random.default_rng(1).integers(0, 256, (3_000, 3_000, 3), np.uint8), "jpeg")
    outcome = await worker.work("render", len(large), parts(large))
    assert outcome.fault == "it took too long, or said too much"
    pid = worker.pid
    assert (await worker.work("inspect", 9, parts(b"not a jpg"))).unfit == "not a picture"
    assert worker.pid == pid
    await worker.close()


ATTEMPTS = {
    "a file": "open('/etc/passwd')",
    "a file to write": "open('/tmp/written', 'w')",
    "a socket": "__import__('socket').socket()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a process": "os.fork()",
    "another process": "os.kill(os.getppid(), 0)",
    "a folder": "os.listdir('/')",
    "a name": "os.unlink('/tmp/written')",
    "more memory": "bytearray(600 << 20)",
    "a larger limit": "resource.setrlimit(resource.RLIMIT_CPU, (99, 99))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_a_confined_process_reaches_nothing() -> None:
    program = f"""
import os, resource, socket
from server.media.confinement import confine
confine(512 << 20, 5)
for name, attempt in {ATTEMPTS!r}.items():
    try:
        eval(attempt)
        os.write(1, f"{{name}} was had\\n".encode())
    except (OSError, MemoryError, ValueError):
        pass
os.write(1, b"done")
os._exit(0)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == (b"done", b"")


def test_what_computes_for_too_long_is_killed_and_refused_for_good() -> None:
    """It would take as much again. And of reasons no others come out than there are."""
    program = """
from server.media.confinement import confine
from server.media.picture import UnfitError
from server.media.worker import Job, _in_child
def endless():
    confine(1 << 29, 1)
    while True:
        pass
def talking():
    raise UnfitError("a label of a metric " * 1_000)
for work in endless, talking:
    print(_in_child(work, Job("render", 0, 1 << 29, 1, 60.0)).unfit)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert (ended.stdout.decode().splitlines(), ended.stderr) == (["takes too long", "broken"], b"")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"kind": "jpeg", "width": 0, "height": 1}, Inspected),
        ({"kind": "svg", "width": 1, "height": 1}, Inspected),
        ({"width": 1 << 40, "height": 1, "variants": {}}, Rendered),
        ({"width": 640, "height": 640, "variants": {"../640": {"jpg": b"", "webp": b""}}}, Rendered),
        ({"thumbhash": bytes(1 << 20), "perceptual": None}, Hashed),
        ({"thumbhash": b"", "perceptual": bytes(31)}, Hashed),
    ],
)
def test_what_a_child_says_that_was_taken_over_goes_no_further(said: object, found: type) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=found)


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process learns of its parent's end")
async def test_workers_end_with_their_node(tmp_path: Path) -> None:
    program = """
import asyncio
from server.media.workers import Confines, Worker
async def main():
    worker = Worker(Confines(1 << 29))
    await worker.start()
    print(worker.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    node = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert node.stdout is not None
    pid = int(node.stdout.readline())
    node.kill()
    node.wait()
    node.stdout.close()
    await until(lambda: has_ended(pid))


def has_ended(pid: int) -> bool:
    """What has ended may be waited for still, or be gone as we look."""
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
