"""A NATS server that a test can take away, which a supervisor would bring back at once."""

import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Self

from bench.subject import free_port


class ExternalNats:
    """`stop` is kill -9; `start` brings it back at the same address. With `storage` it has JetStream there."""

    def __init__(self, storage: Path | None = None) -> None:
        self._storage = storage
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    def start(self) -> None:
        program = Path(sysconfig.get_path("scripts")) / "nats-server"
        command = [str(program), "-a", "127.0.0.1", "-p", str(self._port)]
        if self._storage:
            command += ["-js", "-sd", str(self._storage)]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        while b"Server is ready" not in (line := self._process.stderr.readline()):
            assert line, "nats-server has ended"

    def stand_still(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
