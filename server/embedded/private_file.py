"""Files that only we may read."""

import os
from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replace a file that only we may read, all at once."""
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    fresh.replace(file)
