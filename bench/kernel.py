"""What the kernel keeps for sockets, of the whole machine: with servers and generator on it, both ends of each."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from bench.process import PROC

PAGE = 4096
"""Bytes of a page on the machines that are measured on."""

SOCKET_CACHES = ("TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi", "eventpoll_pwq")
"""Slab caches that grow with sockets: the socket, its inode, file and name, its place in an epoll."""


class Kernel(msgspec.Struct, frozen=True):
    """Bytes: all slabs, the objects in `SOCKET_CACHES` (None when only root may look), the buffers of TCP sockets."""

    slab: int
    sockets: int | None
    buffers: int


def kernel_memory(proc: Path = PROC) -> Kernel:
    """The memory now (proc(5): meminfo, net/sockstat; slabinfo(5))."""
    slab = re.search(r"^Slab:\s+(\d+)", (proc / "meminfo").read_text(), re.MULTILINE)
    buffers = re.search(r"^TCP:.* mem (\d+)", (proc / "net/sockstat").read_text(), re.MULTILINE)
    assert slab
    assert buffers
    try:
        sockets = _objects((proc / "slabinfo").read_text())
    except OSError:
        sockets = None
    return Kernel(int(slab[1]) * 1024, sockets, int(buffers[1]) * PAGE)


def _objects(slabinfo: str) -> int:
    """Columns: name, active objects, all objects, bytes of one. Slabs of earlier sockets stay for those to come."""
    rows = [line.split() for line in slabinfo.splitlines()]
    return sum(int(row[1]) * int(row[3]) for row in rows if row[0] in SOCKET_CACHES)
