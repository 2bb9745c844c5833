"""Where a server's Unix socket lies: in the data folder, or in a temporary folder when that path is too long."""

import os
import tempfile
from pathlib import Path

from server.embedded.account import Account
from server.embedded.failure import EmbeddedError

LONGEST = 100
"""Bytes of a socket's path; sockaddr_un has room for 107 (unix(7))."""


class SocketFolder:
    """The folder `name` in `data` for the socket `socket`."""

    def __init__(self, data: Path, name: str, socket: str) -> None:
        self._named = data / name
        self._socket = socket

    def open(self, account: Account) -> Path:
        """The folder (0700, the account's). What a killed predecessor left behind is removed first."""
        self.close()
        folder = self._named
        if self._fits(folder):
            folder.mkdir(mode=0o700)
        else:
            temporary = Path(tempfile.mkdtemp(prefix="tidings-"))
            folder.symlink_to(temporary)
            folder = temporary
        if not self._fits(folder):
            self.close()
            raise EmbeddedError(f"{folder} is too long a path for a socket: set TMPDIR to a shorter one.")
        account.own(folder)
        return folder

    def _fits(self, folder: Path) -> bool:
        return len(os.fsencode(folder / self._socket)) <= LONGEST

    def empty(self) -> None:
        """Remove the socket that a killed server left in its folder."""
        for name in (self._socket, self._socket + ".lock"):
            (self._named / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder, and the link to it when it lies elsewhere."""
        folder = self._named.readlink() if self._named.is_symlink() else self._named
        if folder.is_dir():
            self.empty()
            folder.rmdir()
        if self._named.is_symlink():
            self._named.unlink()
