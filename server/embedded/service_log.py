"""What an embedded service writes about itself: one file per service, which grows over its runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LOG_BYTES = 16 << 20
"""A log longer than this is set aside at the next start, one old one being kept."""

LAST_LINES = 5


@contextmanager
def appending(file: Path) -> Iterator[BinaryIO]:
    """The file, which only we may read, open at its end."""
    if file.exists() and file.stat().st_size > LOG_BYTES:
        file.replace(file.with_suffix(".log.1"))
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        yield log


def last_words(file: Path, begin: int) -> str:
    """The last lines since `begin`, to complete a sentence about what went wrong."""
    with open(file, "rb") as log:
        log.seek(begin)
        lines = log.read().decode(errors="replace").strip().split("\n")
    return f"{' | '.join(lines[-LAST_LINES:])} (see {file})"
