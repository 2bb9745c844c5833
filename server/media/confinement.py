"""What is done to a process before it looks at bytes that nobody vouches for: little memory, little time, and of the
kernel only what computing needs. It opens no file, no socket, no program and no other process.

The filter is seccomp's (Linux on x86-64 and ARM64); where there is none, the limits hold alone.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE, _ABSENT = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
_CLONE_THREAD = 0x00010000

# On x86-64, then on ARM64.
_ALLOWED: dict[str, tuple[int, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),
    "poll": (7, 73),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "uname": (63, 160),
    "gettimeofday": (96, 169),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "set_robust_list": (273, 99),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}
# By machine: its name in audit.h, its place in the table, and its numbers of clone and clone3.
_MACHINES = {"x86_64": (0xC000003E, 0, 56, 435), "aarch64": (0xC00000B7, 1, 220, 435)}


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, where it can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def confine(memory: int, cpu_s: int) -> None:
    """From now on and for good: so many bytes of memory beyond what is in use, so many seconds of computing."""
    # The first limit ends it by a signal of its own, the second for who has that signal ignored.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What it has open it may use; it writes to nothing but pipes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        most = memory + _mapped()
        resource.setrlimit(limit, (most, most))
    if sys.platform == "linux":
        _filter_calls()


def _mapped() -> int:
    """The address space in use, in bytes: most of it is libraries."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 1 << 29


def _filter_calls() -> None:
    machine = platform.machine()
    if machine not in _MACHINES:
        return
    program = _program(machine)
    steps = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(steps)))
    kernel = ctypes.CDLL(None)
    kernel.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(header)), 0, 0)


def _program(machine: str) -> bytes:
    """For the kernel's packet filter; what is filtered has the call's number at 0, the machine at 4, and the first
    argument at 16."""
    audited, place, clone, clone3 = _MACHINES[machine]
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    steps = [
        (load, 0, 0, 4),
        (equal, 1, 0, audited),
        (answer, 0, 0, _REFUSE),
        (load, 0, 0, 0),
        # Without it the library takes clone, whose flags can be seen here: threads, but no processes.
        (equal, 0, 1, clone3),
        (answer, 0, 0, _ABSENT),
        (equal, 0, 4, clone),
        (load, 0, 0, 16),
        (any_bit, 0, 1, _CLONE_THREAD),
        (answer, 0, 0, _ALLOW),
        (answer, 0, 0, _REFUSE),
    ]
    for numbers in _ALLOWED.values():
        steps += [(equal, 0, 1, numbers[place]), (answer, 0, 0, _ALLOW)]
    steps.append((answer, 0, 0, _REFUSE))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
