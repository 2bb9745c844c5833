"""A worker: a process that waits for pictures, and has a child of its own look at each, confined, so that whatever is
in one picture can neither hurt the node nor reach the next picture.

    node ─ stdin: Job, bytes ─► worker ─ fork ─► child: confine, work ─ pipe ─► worker ─ stdout: Outcome ─► node

Libraries are loaded once, before the fork, which takes 3 ms. The worker runs no thread and decodes nothing itself.
"""

import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from typing import BinaryIO, Literal

import msgspec
from msgspec import Struct

Step = Literal["inspect", "render", "hash"]

FRAME = struct.Struct(">I")
"""The length of what follows."""
MOST_RESULT = 64 << 20
"""Of all variants together; 2 MiB is usual."""
MOST_FAULT = 1_000
UNFIT = frozenset({"not a picture", "broken", "too many pixels", "too large", "takes too long"})
"""Why nothing can be made of a picture."""
_FOUND, _UNFIT, _FAULT = 0, 1, 2
_SAID = struct.Struct(">BI")


class Job(Struct, frozen=True, gc=False):
    """`size` bytes follow. The child has `memory` bytes beyond what libraries take, `cpu_s` seconds of computing, and
    `wall_s` seconds in all."""

    step: Step
    size: int
    memory: int
    cpu_s: int
    wall_s: float


class Outcome(Struct, frozen=True, gc=False):
    """One of three: `found`, the step's own struct as MessagePack; `unfit`, why nothing can ever be made of this;
    `fault`, how the child ended without saying anything."""

    found: bytes = b""
    unfit: str = ""
    fault: str = ""


def main() -> None:
    """Work until stdin ends."""
    from server.media.confinement import confine, die_with_parent

    die_with_parent()
    steps = _steps()
    jobs, outcomes = sys.stdin.buffer, sys.stdout.buffer
    while head := jobs.read(FRAME.size):
        job = msgspec.msgpack.decode(jobs.read(*FRAME.unpack(head)), type=Job)
        data = jobs.read(job.size)
        if len(data) < job.size:
            return

        def work(job: Job = job, data: bytes = data) -> Struct:
            die_with_parent()
            confine(job.memory, job.cpu_s)
            return steps[job.step](data)

        _answer(outcomes, _in_child(work, job))


def _steps() -> dict[Step, Callable[[bytes], Struct]]:
    # Only now, as the libraries read the environment when they are loaded.
    import pyvips  # type: ignore[import-untyped]  # it ships no types

    from server.media.picture import inspected
    from server.media.rendering import hashed, rendered

    pyvips.cache_set_max(0)
    return {"inspect": inspected, "render": rendered, "hash": hashed}


def _answer(outcomes: BinaryIO, outcome: Outcome) -> None:
    encoded = msgspec.msgpack.encode(outcome)
    outcomes.write(FRAME.pack(len(encoded)) + encoded)
    outcomes.flush()


def _in_child(work: Callable[[], Struct], job: Job) -> Outcome:
    """What a child says that does that, or how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    try:
        said = _read(reading, time.monotonic() + job.wall_s)
    finally:
        os.close(reading)
        # It is our own child and not waited for yet: the number is its.
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return _judged(said, status)


def _work(work: Callable[[], Struct], writing: int) -> None:
    """The child's whole life."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        kind, content = _said(work)
        left = _SAID.pack(kind, len(content)) + content
        while left:
            left = left[os.write(writing, left) :]
    finally:
        os._exit(0)


def _said(work: Callable[[], Struct]) -> tuple[int, bytes]:
    from server.media.picture import UnfitError

    try:
        return _FOUND, msgspec.msgpack.encode(work())
    except UnfitError as unfit:
        return _UNFIT, str(unfit).encode()
    except MemoryError:
        return _UNFIT, b"too large"
    except Exception as fault:
        return _FAULT, repr(fault).encode()


def _read(reading: int, until: float) -> bytes | None:
    """All that comes; None when it does not end in time, or is too much."""
    said = bytearray()
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    while poll.poll(max(0, until - time.monotonic()) * 1_000):
        part = os.read(reading, 1 << 20)
        if not part:
            return bytes(said)
        said += part
        if len(said) > MOST_RESULT:
            break
    return None


def _judged(said: bytes | None, status: int) -> Outcome:
    """What a child has said, which may have been taken over, or how it ended."""
    if said is None:
        return Outcome(fault="it took too long, or said too much")
    head, content = said[: _SAID.size], said[_SAID.size :]
    kind, size = _SAID.unpack(head) if len(head) == _SAID.size else (_FAULT, -1)
    if size != len(content):
        # It died. Computing for too long is the picture's own, and would be the same again.
        spent = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        return Outcome(unfit="takes too long") if spent else Outcome(fault=f"signal {os.WTERMSIG(status)}")
    if kind == _FOUND:
        return Outcome(found=content)
    text = content.decode(errors="replace")
    if kind == _UNFIT:
        return Outcome(unfit=text if text in UNFIT else "broken")
    return Outcome(fault=text[:MOST_FAULT])


if __name__ == "__main__":
    main()
