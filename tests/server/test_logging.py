"""What stands in a node's log."""

import subprocess
import sys

import pytest

TOLD = """
import logging
from server.observe import start_logging
start_logging("info")
try:
    raise RuntimeError("the handler is closed")
except RuntimeError as fault:
    logging.getLogger({logger!r}).error("encountered error", exc_info=fault)
"""


def logged(logger: str) -> str:
    """What comes of an error with a stack that `logger` is told of."""
    told = [sys.executable, "-c", TOLD.format(logger=logger)]
    return subprocess.run(told, check=True, capture_output=True, text=True).stderr


@pytest.mark.parametrize("logger", ["asyncpg.pool", "nats.aio.client"])
def test_a_library_that_loses_a_connection_leaves_it_to_whoever_had_it_to_tell(logger: str) -> None:
    assert "handler is closed" in logged("another")
    assert logged(logger) == ""
