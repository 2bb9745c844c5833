"""What the kernel says of processes: who descends from whom, processor time, memory (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


class Process(msgspec.Struct, frozen=True):
    """One running process."""

    pid: int
    parent: int
    command: str


class Memory(msgspec.Struct, frozen=True):
    """Bytes of smaps_rollup: resident, proportional share of shared pages, private."""

    rss: int
    pss: int
    private: int


def processes() -> list[Process]:
    """All processes that can be read now."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = _stat(int(entry.name))
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(Process(int(entry.name), int(fields[1]), command))
    return found


def descendants(root: int) -> list[Process]:
    """`root` and everything below it."""
    everyone = processes()
    kept = {root}
    grown = True
    while grown:
        below = {p.pid for p in everyone if p.parent in kept} - kept
        kept |= below
        grown = bool(below)
    return [p for p in everyone if p.pid in kept]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system seconds of these processes. Raises ProcessLookupError or FileNotFoundError when one has ended."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in pids) / TICKS


def tree_cpu_seconds(roots: Iterable[int]) -> float:
    """The same for these processes and their children, the ended ones included: for servers that fork per client."""
    members = {p.pid for root in roots for p in descendants(root)}
    total = 0
    for pid in members:
        try:
            total += sum(map(int, _stat(pid)[11:15]))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / TICKS


def memory(pids: Iterable[int]) -> Memory:
    """The sum over these processes; needs the right to trace them."""
    sums = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            name, amount = line.split(":")
            if name in sums:
                sums[name] += int(amount.split()[0]) * 1024
    return Memory(sums["Rss"], sums["Pss"], sums["Private_Clean"] + sums["Private_Dirty"])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: state, parent, …, utime at 11, stime 12, cutime 13, cstime 14."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
