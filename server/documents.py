"""The two documents as they are served, and as `tidings docs` writes them to files."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from protocol.asyncapi import asyncapi
from protocol.openapi import openapi


def _written(document: Mapping[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


OPENAPI = _written(openapi())
ASYNCAPI = _written(asyncapi())


def write_documents(folder: Path) -> list[Path]:
    """Write `openapi.json` and `asyncapi.json` into the folder, which is made if absent; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / "openapi.json": OPENAPI, folder / "asyncapi.json": ASYNCAPI}
    for path, document in written.items():
        path.write_bytes(document)
    return list(written)
