"""How many connections this machine can hold at both ends, and what it is that limits them."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import msgspec

from bench.load import SOCKETS_PER_PROCESS
from bench.process import PROC

OTHER_DESCRIPTORS = 1_000
"""What a node or a generator has open besides its clients' sockets."""

BYTES_OF_A_CONNECTION = 24 * 1024
"""At most, of the machine: both ends in the kernel, the node, and the generator."""


class Room(msgspec.Struct, frozen=True):
    """Each limit in connections of the whole machine, by what sets it."""

    limits: dict[str, int]

    @property
    def connections(self) -> int:
        return min(self.limits.values())

    def __str__(self) -> str:
        told = [f"{what}: {most:,}" for what, most in sorted(self.limits.items(), key=lambda limit: limit[1])]
        return "connections that each limit allows: " + ", ".join(told)


def room(nodes: int, proc: Path = PROC) -> Room:
    """What `nodes` nodes on this machine can hold now (proc(5): sys/fs, sys/net, meminfo; getrlimit(2))."""
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    used, _, files = map(int, (proc / "sys/fs/file-nr").read_text().split())
    free = re.search(r"^MemAvailable:\s+(\d+)", (proc / "meminfo").read_text(), re.MULTILINE)
    assert free
    limits = {
        f"{descriptors:,} descriptors of a process": nodes * max(0, descriptors - OTHER_DESCRIPTORS),
        f"{SOCKETS_PER_PROCESS:,} sockets of a node": nodes * SOCKETS_PER_PROCESS,
        f"{files:,} files of the machine": (files - used) // 2,
        f"{int(free[1]) / 2**20:.1f} GiB of free memory": int(free[1]) * 1024 // BYTES_OF_A_CONNECTION,
    }
    return Room(limits | _tracked(proc))


def _tracked(proc: Path) -> dict[str, int]:
    """The table of tracked connections, where they are tracked."""
    try:
        most = int((proc / "sys/net/netfilter/nf_conntrack_max").read_text())
        tracked = int((proc / "sys/net/netfilter/nf_conntrack_count").read_text())
    except FileNotFoundError:
        return {}
    return {f"{most:,} tracked connections": most} if tracked else {}
