"""One generator process: drives one side of one round and sends what it measured through a pipe."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Literal

import uvloop

from bench.faults import Faults
from bench.machine import prefer_this_process, raise_descriptors
from bench.measure import Measured
from bench.stage import Stage, Workload

Side = Literal["ours", "floor"]


def generate(workload: Workload, side: Side, stage: Stage, told: Callable[[str, int, int], None]) -> Measured:
    """Run one side in a fresh process of its own, passing its progress on; a generator that fails voids the round."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=drive, args=(workload, side, stage, there), daemon=True)
    process.start()
    there.close()
    try:
        while True:
            said = here.recv()
            if isinstance(said, Measured):
                return said
            told(*said)
    except EOFError:
        process.join()
        return Measured([], faults=[f"the generator ended with {process.exitcode}"])
    finally:
        process.kill()
        process.join()


def drive(workload: Workload, side: Side, stage: Stage, pipe: Connection) -> None:
    """The generator process itself."""
    descriptors, priority = raise_descriptors(), prefer_this_process()
    gc.collect()
    gc.freeze()
    gc.disable()

    def progress(doing: str, done: int = 0, total: int = 0) -> None:
        pipe.send((doing, done, total))

    async def watched() -> Measured:
        broken = Faults()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: broken.add("generator error", repr(context.get("exception"))))
        measured = await (workload.ours(stage, progress) if side == "ours" else workload.floor(stage, progress))
        measured.faults += broken.lines()
        return measured

    try:
        measured = uvloop.run(watched())
    except BaseException:
        measured = Measured([], faults=[traceback.format_exc()])
    measured.notes |= {"generator": f"{priority}, {descriptors} descriptors"}
    pipe.send(measured)
