"""Passwords: argon2id (RFC 9106) on two threads of their own, with a bound on how many may wait.

One hash takes about 0.1 s and 64 MiB, so more threads would only take the cores from the sockets. Passwords are
compared in Unicode normalisation form C (RFC 8265 §4.2).
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from protocol.errors import Refusal

MIN_CHARACTERS = 8
MAX_BYTES = 1_024
BUSY = Refusal("unavailable", "too many are signing in at this moment: try again", 2_000)

Answer = TypeVar("Answer")


class Passwords:
    """Hashes and compares. `waiting` bounds what is queued behind the threads: above it the answer is BUSY."""

    def __init__(self, hasher: PasswordHasher | None = None, threads: int = 2, waiting: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, "passwords")
        self._free = threads + waiting
        self._nobody = self._hasher.hash("the password of nobody")

    async def hash(self, password: str) -> str | Refusal:
        """What to store of a password."""
        normal = unicodedata.normalize("NFC", password)
        if len(normal) < MIN_CHARACTERS or len(normal.encode()) > MAX_BYTES:
            return Refusal("bad_request", f"password: {MIN_CHARACTERS} characters to {MAX_BYTES:,} bytes are needed")
        return await self._run(lambda: self._hasher.hash(normal))

    async def matches(self, password: str, stored: str | None) -> bool | Refusal:
        """Is this the password? Without a stored one it takes as long and is never right."""
        normal = unicodedata.normalize("NFC", password)
        compared = stored or self._nobody
        return await self._run(lambda: self._compare(normal, compared) and stored is not None)

    def close(self) -> None:
        """Let what runs finish and drop what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _compare(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Answer]) -> Answer | Refusal:
        if self._free == 0:
            return BUSY
        self._free -= 1
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Freed when the thread is done with it, not when a caller who went away stops waiting.
        done.add_done_callback(self._freed)
        return await asyncio.shield(done)

    def _freed(self, _: "asyncio.Future[Answer]") -> None:
        self._free += 1
