"""The supervisor's side of a rolling restart: one node after the other is started anew while the others serve.

DATA/supervisor.pid names the supervisor while it can be asked; DATA/supervisor.json says how far its last one is.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from persistence.faults import UnavailableError
from persistence.nodes.contract import NodeStore
from server.embedded.private_file import write_private
from server.supervisor.children import Child

LOOK_S = 0.1
AGREE_S = 10.0
"""How long all nodes may take to act by the same version after one of them has come back."""

log = structlog.get_logger()


class Progress(Struct, frozen=True):
    """How far the rolling restart of that number is; they are counted from 1 since the supervisor started.

    `took` has the seconds of each node that is done, in their order. Once `ended`, all went well if `fault` is empty;
    else that is the reason, a clause.
    """

    number: int
    nodes: int
    took: tuple[float, ...] = ()
    ended: bool = False
    fault: str = ""


def write_progress(data: Path, progress: Progress) -> None:
    """Tell it to whoever asked. Raises OSError."""
    write_private(data / "supervisor.json", msgspec.json.encode(progress).decode())


def read_progress(data: Path) -> Progress:
    """What was told last. Raises OSError, and msgspec.DecodeError when the file is none of ours."""
    return msgspec.json.decode((data / "supervisor.json").read_bytes(), type=Progress)


@contextmanager
def announced(data: Path) -> Iterator[None]:
    """DATA/supervisor.pid says meanwhile who we are."""
    file = data / "supervisor.pid"
    write_private(file, str(os.getpid()))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


class RollingRestarts:
    """Carries them out; what it tells about them goes to the folder `data`, if there is one."""

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """One more, after the one that is under way."""
        self._asked.set()

    async def run(self, children: Sequence[Child], leases: NodeStore) -> None:
        """Restart the children whenever asked; until cancelled."""
        number = 0
        while True:
            await self._asked.wait()
            self._asked.clear()
            number += 1
            progress = await self._restart_all(Progress(number, len(children)), children, leases)
            self._tell(replace(progress, ended=True))

    async def _restart_all(self, progress: Progress, children: Sequence[Child], leases: NodeStore) -> Progress:
        self._tell(progress)
        for child in children:
            began = time.monotonic()
            if fault := await _restarted(child, leases):
                log.warning("rolling restart stopped", reason=fault)
                return replace(progress, fault=fault)
            progress = replace(progress, took=(*progress.took, time.monotonic() - began))
            self._tell(progress)
        return progress

    def _tell(self, progress: Progress) -> None:
        if self._data is None:
            return
        try:
            write_progress(self._data, progress)
        except OSError as fault:
            log.warning("how far the rolling restart is cannot be told", reason=str(fault))


async def _restarted(child: Child, leases: NodeStore) -> str:
    """Why the node is not back, or not known to be, if so."""
    try:
        await child.restart()
    except (click.ClickException, click.exceptions.Exit):
        return f"node {child.number} did not come back, its log says why"
    deadline = time.monotonic() + AGREE_S
    while time.monotonic() < deadline:
        if await _agreed(leases):
            return ""
        await asyncio.sleep(LOOK_S)
    return f"not all nodes took notice within {AGREE_S:.0f} s that node {child.number} was back"


async def _agreed(leases: NodeStore) -> bool:
    try:
        return (await leases.look()).agreed
    except UnavailableError:
        return False
