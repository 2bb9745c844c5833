"""The one error of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class EmbeddedError(Exception):
    """An embedded service cannot run; the message is one sentence that says why and what to do."""


@contextmanager
def using(data: Path) -> Iterator[None]:
    """Raises EmbeddedError for what the data folder does not allow."""
    try:
        yield
    except OSError as error:
        raise EmbeddedError(f"The data folder {data} cannot be used ({error}): choose another one.") from error
