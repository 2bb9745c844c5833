"""`tidings restart --rolling`: asks the supervisor of an installation for it, and follows how that goes."""

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from server.supervisor import rolling_restart
from server.supervisor.rolling_restart import read_progress

LOOK_S = 0.2
SILENT_S = 120.0
"""Longer than one node may take to end, to be ready again and to be known to the others."""


def restart_rolling(data: Path, console: Console) -> None:
    """Have every node started anew, one after the other; returns when all are.

    Raises click.ClickException, one sentence, when there is nobody to ask or it does not work.
    """
    with _supervisor(data) as supervisor:
        try:
            earlier = read_progress(data).number
            signal.pidfd_send_signal(supervisor, signal.SIGHUP)
            _follow(data, supervisor, earlier, console)
        except (OSError, msgspec.DecodeError) as fault:
            raise click.ClickException(f"The supervisor of {data} cannot be followed ({fault}).") from fault


@contextmanager
def _supervisor(data: Path) -> Iterator[int]:
    """A descriptor of the process that serves this folder: the one that holds its lock."""
    absent = click.ClickException(
        f"--data: no `tidings serve --embedded` runs in {data}: name the folder of one. "
        "(One with --config restarts its nodes when it gets SIGHUP.)"
    )
    try:
        pid = int((data / "supervisor.pid").read_text())
        process = os.pidfd_open(pid)
    except (OSError, ValueError):
        raise absent from None
    try:
        if not _holds_lock(pid, data):
            raise absent
        yield process
    finally:
        os.close(process)


def _holds_lock(pid: int, data: Path) -> bool:
    lock = str(data.resolve() / "postgres.lock")
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        raise click.ClickException(f"--data: {data} is served by another user: do this as that user.") from None
    except OSError:
        return False
    return any(_target(descriptor) == lock for descriptor in descriptors)


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""


def _follow(data: Path, supervisor: int, earlier: int, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("waiting for the supervisor", total=None)
        told = 0
        for done in _news(data, supervisor, earlier):
            count = len(done.took)
            for number in range(told + 1, count + 1):
                progress.print(f"node {number} restarted in {done.took[number - 1]:.1f} s")
            told = count
            doing = "all restarted" if count == done.nodes else f"restarting node {count + 1}"
            progress.update(bar, description=doing, completed=count, total=done.nodes)
    if done.fault:
        raise click.ClickException(f"The rolling restart stopped: {done.fault}.")


def _news(data: Path, supervisor: int, earlier: int) -> Iterator[rolling_restart.Progress]:
    """Every step of the first rolling restart after the one numbered `earlier`, to its end."""
    seen = read_progress(data)
    changed = time.monotonic()
    while seen.number <= earlier or not seen.ended:
        gone, _, _ = select.select([supervisor], [], [], LOOK_S)
        told = read_progress(data)
        if told != seen:
            seen, changed = told, time.monotonic()
            if told.number > earlier:
                yield told
        elif gone:
            raise click.ClickException("The supervisor ended before all nodes were restarted: its output says why.")
        elif time.monotonic() - changed > SILENT_S:
            raise click.ClickException(f"The supervisor has not gone on for {SILENT_S:.0f} s: its output says why.")
