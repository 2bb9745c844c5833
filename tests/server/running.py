"""A whole installation in processes of its own, as an operator starts it, for tests that look at it from outside."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.subject import free_port

READY_S = 60.0
LOOK_S = 0.02


def working_in(folder: Path) -> list[int]:
    """The process ids of all whose command line names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # It may end while we look.
        with contextlib.suppress(OSError):
            if os.fsencode(folder) in path.read_bytes():
                found.append(int(path.parent.name))
    return found


class Installation:
    """`tidings serve --embedded` in `folder`. `settings` are environment variables without their prefix."""

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None, nodes: int = 1) -> None:
        self.data = folder / "data"
        self.nodes = nodes
        self.port = free_port(nodes)
        self.log = folder / "log"
        self._environ = os.environ | {f"TIDINGS_{name}": str(value) for name, value in (settings or {}).items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/socket"

    @property
    def private_url(self) -> str:
        return f"http://127.0.0.1:{self.port + 101}"

    def start(self) -> "Installation":
        """Return when it says that it is ready."""
        command = [sys.executable, "-m", "server.cli", "serve", "--embedded"]
        command += ["--port", str(self.port), "--data", str(self.data), "--nodes", str(self.nodes)]
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(command, env=self._environ, stdout=subprocess.PIPE, stderr=log)
        killer = threading.Timer(READY_S, self._process.kill)
        killer.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        killer.cancel()
        assert b"ready" in line, self.log.read_text()[-4_000:]
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def mint(self, users: int, prefix: str) -> list[dict[str, Any]]:
        """People with tokens: `user`, `access_token`, …"""
        command = [sys.executable, "-m", "server.cli", "admin", "mint", "--users", str(users), "--prefix", prefix]
        printed = subprocess.run(
            [*command, "--data", str(self.data)], env=self._environ, check=True, capture_output=True, text=True
        )
        return [json.loads(line) for line in printed.stdout.splitlines()]

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def node_pids(self) -> dict[int, int]:
        """The process ids of the nodes that run now, by their number."""
        pids = {}
        for pid, words in self._children():
            if "server.node" in words:
                pids[int(words[words.index("--number") + 1])] = pid
        return pids

    def node_pid(self, number: int = 1) -> int:
        """The process id of the node of that number, which runs now."""
        return self.node_pids()[number]

    def nats_pid(self) -> int:
        """The process id of the NATS server that runs now."""
        return next(pid for pid, words in self._children() if words[0].endswith("nats-server"))

    def valkey_pid(self) -> int:
        """The process id of the Valkey server that runs now."""
        return next(pid for pid, words in self._children() if words[0].endswith("valkey-server"))

    def _children(self) -> list[tuple[int, list[str]]]:
        """The process id and the command line of every process that the supervisor started itself."""
        found = []
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            # It may end while we look.
            with contextlib.suppress(OSError):
                found.append((int(pid), Path(f"/proc/{pid}/cmdline").read_text().split("\0")))
        return found

    def await_node(self, number: int, other_than: int) -> int:
        """Wait until a node of that number is ready whose process is another one; returns its process id."""

        def look() -> int | None:
            pid = self.node_pids().get(number, other_than)
            return pid if pid != other_than and self._is_ready(number) else None

        return self._await(look)

    def await_nats(self, other_than: int) -> int:
        """Wait until a NATS server listens whose process is another one; returns its process id."""

        def look() -> int | None:
            with contextlib.suppress(OSError, StopIteration):
                socket.create_connection(("127.0.0.1", self.port + 99)).close()
                return pid if (pid := self.nats_pid()) != other_than else None
            return None

        return self._await(look)

    def _await(self, look: Callable[[], int | None]) -> int:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if (found := look()) is not None:
                return found
            time.sleep(LOOK_S)
        raise AssertionError(self.log.read_text()[-4_000:])

    def _is_ready(self, number: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 100 + number}/health/ready", timeout=5):
                return True
        except OSError:
            return False

    def kill_node(self, number: int = 1) -> None:
        """kill -9; the supervisor starts another one."""
        os.kill(self.node_pid(number), signal.SIGKILL)

    def kill_postgres(self) -> None:
        """kill -9 of the postmaster; the supervisor starts it again."""
        pid = int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def crash(self) -> None:
        """kill -9 of everything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
