"""A whole installation in processes of its own, as an operator starts it, for tests that look at it from outside."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

READY_S = 60.0


def free_port() -> int:
    """A port such that its neighbours of one node (+1 and +101) are free too, as far as one can know."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if port > 65_000:
                continue
            try:
                for offset in (1, 101):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port


class Installation:
    """`tidings serve --embedded` in `folder`. `settings` are environment variables without their prefix."""

    def __init__(self, folder: Path, settings: Mapping[str, object] | None = None) -> None:
        self.data = folder / "data"
        self.port = free_port()
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
        command += ["--port", str(self.port), "--data", str(self.data)]
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

    def node_pid(self) -> int:
        """The process id of the node that runs now."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if b"server.node" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def kill_node(self) -> None:
        """kill -9; the supervisor starts another one."""
        os.kill(self.node_pid(), signal.SIGKILL)

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
