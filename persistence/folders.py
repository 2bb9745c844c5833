"""Folders of this machine, made durable."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """What it names now, it names after a crash too. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
