"""Processes of a Postgres whose parent was killed: they are taken down before the next one starts.

The caller holds the folder's lock, so whatever still runs there has no owner.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from server.embedded.failure import EmbeddedError

STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""Fast shutdown, immediate shutdown, the hard way; each with its patience in seconds. All leave acknowledged data."""

ORPHAN_PATIENCE = 2.0
"""Seconds for backends to notice that their postmaster died; those that wait for a client notice at once."""


def residents(cluster: Path) -> list[int]:
    """The process ids of every Postgres process at work in the folder."""
    return [pid for name in os.listdir("/proc") if name.isdigit() and _lives_in(cluster, pid := int(name))]


async def clear(cluster: Path) -> None:
    """Wait until nothing of an earlier Postgres runs in the folder, with growing insistence.

    Raises EmbeddedError when something does not go.
    """
    for number, patience in STEPS:
        running = residents(cluster)
        postmaster = _postmaster(cluster)
        if number is signal.SIGINT:
            addressed = [pid for pid in running if pid == postmaster]
            patience = patience if addressed else ORPHAN_PATIENCE
        else:
            addressed = running
        for pid in addressed:
            send(pid, number)
        if await gone(lambda: residents(cluster), patience):
            _drop_stale_claim(cluster)
            return
    raise EmbeddedError(f"Process {residents(cluster)} in {cluster} does not end: end it, then start again.")


def _drop_stale_claim(cluster: Path) -> None:
    """Remove a pid file whose number another program has got meanwhile: Postgres would take that for itself."""
    postmaster = _postmaster(cluster)
    if postmaster is not None and Path(f"/proc/{postmaster}").exists():
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def _postmaster(cluster: Path) -> int | None:
    try:
        first = (cluster / "postmaster.pid").read_text("ascii", errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first) if first.isdigit() else None


def _lives_in(cluster: Path, pid: int) -> bool:
    try:
        folder = os.readlink(f"/proc/{pid}/cwd")
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return False
    return folder == str(cluster) and os.path.basename(program).removesuffix(" (deleted)") == "postgres"


async def end(process: subprocess.Popen[bytes], steps: Sequence[tuple[int, float]]) -> None:
    """End a process of our own, each signal of the steps having so many seconds to work."""
    for number, patience in steps:
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(process.wait, patience)
            return


def send(pid: int, number: int) -> None:
    """Signal a process, which may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


async def gone(running: Callable[[], Collection[int]], patience: float) -> bool:
    """Whether none of them is `running` within `patience` seconds."""
    deadline = time.monotonic() + patience
    while running():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
