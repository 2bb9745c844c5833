"""The servers under test as processes: the product by its own commands, and the C floor."""

from __future__ import annotations

import os
import random
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.database import address
from bench.process import Process, descendants, processes
from bench.stage import Stage
from bench.wire import User

HOST = "127.0.0.1"
READY_WITHIN = 60.0
STOP_WITHIN = 20.0
FLOOR_SOURCE = Path(__file__).with_name("floor.c")
NODE, STORE, BUS = "server.node", "postgres", "nats-server"
"""What the command lines of node processes, of the database and of the bus contain."""

SHARED_PORTS = (0, 99, 100)
"""Offsets from the public port: itself, the bus, and the private port of a node without a supervisor."""

PRIVATE_ABOVE = 100
"""Node I has the port I above the public one for itself, and is asked privately so much above that."""


class RunError(Exception):
    """A server or a tool of the run did not do its part; the text says which and what it wrote last."""


class Commands(msgspec.Struct, frozen=True):
    """How the product is started and its users are made: templates with {port}, {data}, {nodes} and {users}."""

    serve: str = "tidings serve --embedded --nodes {nodes} --port {port} --data {data}"
    mint: str = "tidings admin mint --users {users} --data {data}"

    def words(self, template: str, **values: object) -> list[str]:
        """A template filled in; `tidings` is the one installed beside this interpreter."""
        words = [word.format(**values) for word in shlex.split(template)]
        beside = Path(sys.executable).parent / words[0]
        return [str(beside) if beside.exists() else words[0], *words[1:]]


def build_floor(folder: Path) -> Path | None:
    """Compile the floor into `folder`; None when the machine has no C compiler. Raises RunError when cc refuses."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / "floor"
    built = subprocess.run(
        [compiler, "-O2", "-o", str(binary), str(FLOOR_SOURCE)], capture_output=True, text=True, check=False
    )
    if built.returncode:
        raise RunError(f"cc: {built.stderr.strip()}")
    return binary


def free_port(nodes: int = 1) -> int:
    """A port whose neighbours that so many nodes take are free as well.

    Below the ephemeral range: no outgoing connection takes it while a node is started anew. Drawn, so that who asks at
    the same time does not get the same one. Raises RunError.
    """
    above = [*SHARED_PORTS, *(number + offset for number in range(1, nodes + 1) for offset in (0, PRIVATE_ABOVE))]
    ports = range(10_000, 32_000)
    for port in random.sample(ports, len(ports)):
        if all(_is_free(port + offset) for offset in above):
            return port
    raise RunError("no free port between 10000 and 32000")


@contextmanager
def floor(binary: Path) -> Iterator[Stage]:
    """The C floor on a port of its choice."""
    with running([str(binary), "0"], {}, binary.with_name("floor.log")) as (process, line):
        yield Stage(HOST, int(line.split()[1]), (process.pid,))


@contextmanager
def product(
    commands: Commands, port: int, data: Path, raised: dict[str, str], users: int, nodes: int = 1
) -> Iterator[Stage]:
    """The product on a fresh `data` folder with `users` minted. Raises RunError when it does not come up."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    serve = commands.words(commands.serve, port=port, data=data, nodes=nodes)
    with running(serve, raised, data.with_suffix(".log")) as (process, _):
        family = descendants(process.pid)
        # What a node has just forked has its command until it begins another program.
        named = {p.pid: p for p in family if NODE in p.command}
        found = sorted((_number(p), pid) for pid, p in named.items() if p.parent not in named)
        if len(found) != nodes:
            raise RunError(f"{len(found)} of {nodes} processes have {NODE!r} in their command: {shlex.join(serve)}")
        minted = mint(commands, users, data, raised)
        pids = tuple(pid for _, pid in found)
        own = tuple(port + number for number in range(1, nodes + 1)) if nodes > 1 else ()
        yield Stage(
            HOST, port, pids, called(STORE, family), called(BUS, family), minted, address(data),
            supervised=process.pid not in pids, ports=own, private=tuple(port + PRIVATE_ABOVE for port in own),
        )  # fmt: skip
    shutil.rmtree(data, ignore_errors=True)


def mint(commands: Commands, users: int, data: Path, environment: dict[str, str]) -> tuple[User, ...]:
    """Users with tokens, one JSON object a line. Raises RunError when there are fewer than asked for."""
    words = commands.words(commands.mint, users=users, data=data)
    made = subprocess.run(words, capture_output=True, env=os.environ | environment, check=False)
    if made.returncode:
        raise RunError(f"{shlex.join(words)}: {made.stderr.decode().strip()[-2000:]}")
    minted = msgspec.json.Decoder(User).decode_lines(made.stdout)
    if len(minted) != users:
        raise RunError(f"{shlex.join(words)}: {len(minted)} users")
    return tuple(minted)


def _number(node: Process) -> int:
    """The number that the command line of a node names, 0 without one."""
    words = node.command.split()
    return int(words[words.index("--number") + 1]) if "--number" in words else 0


def called(name: str, family: list[Process]) -> tuple[int, ...]:
    """Processes of a program, without those that they started themselves."""
    found = {p.pid: p.parent for p in family if Path(p.command.split(" ")[0]).name.startswith(name)}
    return tuple(pid for pid, parent in found.items() if parent not in found)


@contextmanager
def running(words: list[str], environment: dict[str, str], log: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server from its ready line to its end; what it leaves behind after `STOP_WITHIN` is killed by its id."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=stderr, env=os.environ | environment, start_new_session=True
        )
    family: list[Process] = []
    try:
        line = _ready_line(process, log)
        family = descendants(process.pid)
        yield process, line
    finally:
        _stop(process, family)


def _ready_line(process: subprocess.Popen[bytes], log: Path) -> str:
    assert process.stdout is not None
    give_up = time.monotonic() + READY_WITHIN
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(give_up - time.monotonic())
    line = process.stdout.readline().decode().strip() if ready else ""
    if not line:
        last = log.read_text(errors="replace")[-2000:].strip()
        raise RunError(f"{process.args!r} did not get ready: {last or 'nothing on stderr'}")
    return line


def _stop(process: subprocess.Popen[bytes], family: list[Process]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    left = {(p.pid, p.command) for p in processes()}
    for member in family:
        if (member.pid, member.command) in left and member.pid != process.pid:
            os.kill(member.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
