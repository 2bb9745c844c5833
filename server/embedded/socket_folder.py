"""Where the server's Unix socket lies: in the data folder, or in a temporary folder when that path is too long."""

import os
import tempfile
from pathlib import Path

from server.embedded.account import Account
from server.embedded.failure import EmbeddedError

SOCKET = ".s.PGSQL.5432"
LONGEST = 100
"""Bytes of a socket's path; sockaddr_un has room for 107 (unix(7))."""


def open_folder(data: Path, account: Account) -> Path:
    """A folder (0700, the account's) for the socket. What a killed predecessor left behind is removed first."""
    close_folder(data)
    folder = data / "socket"
    if _fits(folder):
        folder.mkdir(mode=0o700)
    else:
        temporary = Path(tempfile.mkdtemp(prefix="tidings-"))
        folder.symlink_to(temporary)
        folder = temporary
    if not _fits(folder):
        close_folder(data)
        raise EmbeddedError(f"{folder} is too long a path for a socket: set TMPDIR to a shorter one.")
    account.own(folder)
    return folder


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET)) <= LONGEST


def empty(folder: Path) -> None:
    """Remove the socket that a killed server left in its folder."""
    for name in (SOCKET, SOCKET + ".lock"):
        (folder / name).unlink(missing_ok=True)


def close_folder(data: Path) -> None:
    """Remove the folder, and the link to it when it lies elsewhere."""
    named = data / "socket"
    folder = named.readlink() if named.is_symlink() else named
    if folder.is_dir():
        empty(folder)
        folder.rmdir()
    if named.is_symlink():
        named.unlink()
