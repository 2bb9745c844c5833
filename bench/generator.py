"""Generator processes: each drives one side of one round, or its part, and sends what it measured through a pipe."""

from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Callable, Mapping
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from typing import Any, Literal, cast

import msgspec
import uvloop

from bench.faults import Faults
from bench.machine import prefer_this_process, raise_descriptors
from bench.measure import Measured, added
from bench.stage import Floored, Part, Stage, Workload

Side = Literal["ours", "floor"]
Told = Callable[[str, int, int], None]


def generate(workload: Workload, side: Side, stage: Stage, told: Told, parts: int = 1) -> Measured:
    """Run one side in fresh processes of its own; a generator that fails voids the round.

    Several share the users and go in step; the progress of the first is passed on.
    """
    context = get_context("spawn")
    stages = _parted(stage, parts, context.Barrier(parts)) if parts > 1 else [stage]
    running: dict[Connection[Any, Any], SpawnProcess] = {}
    try:
        for one in stages:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=drive, args=(workload, side, one, there), daemon=True)
            process.start()
            there.close()
            running[here] = process
        return _gathered(running, told)
    finally:
        for process in running.values():
            process.kill()
            process.join()


def _parted(stage: Stage, parts: int, barrier: Barrier) -> list[Stage]:
    """The stage with a part of its users for each process: pairs stay together."""
    bounds = [len(stage.users) // 2 * k // parts * 2 for k in range(parts + 1)]
    return [
        msgspec.structs.replace(stage, users=stage.users[low:high], part=Part(number, parts, barrier))
        for number, (low, high) in enumerate(pairwise(bounds))
    ]


def _gathered(running: Mapping[Connection[Any, Any], SpawnProcess], told: Told) -> Measured:
    """What all measured, as one."""
    done: dict[Connection[Any, Any], Measured] = {}
    leader = next(iter(running))
    while silent := [pipe for pipe in running if pipe not in done]:
        for ready in wait(silent):
            pipe = cast("Connection[Any, Any]", ready)
            try:
                said = pipe.recv()
            except EOFError:
                running[pipe].join()
                return Measured([], faults=[f"the generator ended with {running[pipe].exitcode}"])
            if isinstance(said, Measured):
                done[pipe] = said
            elif pipe is leader:
                told(*said)
    first, *others = [done[pipe] for pipe in running]
    return added(first, others) if others else first


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
        if side == "ours":
            measured = await workload.ours(stage, progress)
        else:
            assert isinstance(workload, Floored)
            measured = await workload.floor(stage, progress)
        measured.faults += broken.lines()
        return measured

    try:
        measured = uvloop.run(watched())
    except BaseException:
        measured = Measured([], faults=[traceback.format_exc()])
        if stage.part is not None:
            stage.part.barrier.abort()
    measured.notes |= {"generator": f"{priority}, {descriptors} descriptors"}
    pipe.send(measured)
