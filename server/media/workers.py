"""The node's side of a worker: started when there is something to do, and anew when it has ended however."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import structlog
from msgspec import Struct

from server.media.worker import FRAME, MOST_RESULT, Job, Outcome, Step

CPU_S = 20
"""How long one step may compute. A 100 megapixel PNG takes 3 s."""
WALL_S = 40.0
"""How long it may take, while others compute too."""
MARGIN_S = 20.0
"""How long the picture may take to come from where it lies, and what was found to come back."""
BUFFER = 1 << 20

_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_ALONE = {
    # One core each, and nothing in files: what does not fit into memory has failed.
    "VIPS_CONCURRENCY": "1",
    "VIPS_DISC_THRESHOLD": "1t",
    "OPENBLAS_NUM_THREADS": "1",
}

log = structlog.get_logger()


class Confines(Struct, frozen=True):
    """Of one step: bytes of memory beyond what libraries take, seconds of computing, and seconds in all."""

    memory: int
    cpu_s: int = CPU_S
    wall_s: float = WALL_S


class Worker:
    """One process, for one caller at a time."""

    def __init__(self, confines: Confines) -> None:
        self._confines = confines
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process there is now."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Have a process, so that the first picture does not wait for it. Raises OSError when there can be none."""
        if self._process is None or self._process.returncode is not None:
            # Nothing of ours is in its environment: what would read it there may be after secrets.
            kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
            command = sys.executable, "-m", "server.media.worker"
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                limit=BUFFER,
                env=kept | _ALONE,
                start_new_session=True,
            )

    async def work(self, step: Step, size: int, parts: AsyncIterator[bytes]) -> Outcome:
        """Have that step look at these `size` bytes. A worker that dies, or hangs, is a fault like any other.

        Raises what `parts` raises, and OSError when no process can be started.
        """
        await self.start()
        process = self._process
        assert process is not None
        fault = None
        try:
            async with asyncio.timeout(self._confines.wall_s + MARGIN_S):
                await self._send(process, step, size, parts)
                outcome = await _received(process)
        except TimeoutError:
            fault = "the worker did not answer"
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as death:
            fault = f"the worker died: {death!r}"
        except BaseException:
            # It waits for the rest of a picture that does not come.
            await self.close()
            raise
        if fault is None:
            return outcome
        log.warning("a worker of the image pipeline is started anew", step=step, fault=fault)
        await self.close()
        return Outcome(fault=fault)

    async def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _send(self, process: Process, step: Step, size: int, parts: AsyncIterator[bytes]) -> None:
        assert process.stdin is not None
        confines = self._confines
        job = msgspec.msgpack.encode(Job(step, size, confines.memory, confines.cpu_s, confines.wall_s))
        process.stdin.write(FRAME.pack(len(job)) + job)
        async for part in parts:
            process.stdin.write(part)
            await process.stdin.drain()


async def _received(process: Process) -> Outcome:
    assert process.stdout is not None
    (size,) = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
    if size > MOST_RESULT + BUFFER:
        raise OSError(f"{size} bytes are no outcome")
    return msgspec.msgpack.decode(await process.stdout.readexactly(size), type=Outcome)
