"""What is watched is judged by what an attack may have caused."""

import json
import subprocess
import sys

from tests.security.watch import of_a_stall

TOLD = """
from persistence.faults import UnavailableError
from server.observe import start_logging
from server.outage import Outage
start_logging("info")
for fault in (UnavailableError("Postgres did not answer: TimeoutError()"), UnavailableError("S3 is away"), KeyError(7)):
    outage = Outage("events wait")
    with outage.noted():
        raise fault
    with outage.noted():
        pass
"""


def test_a_postgres_that_stands_still_is_no_attacks_doing_and_whatever_else_fails_may_be() -> None:
    told = subprocess.run([sys.executable, "-c", TOLD], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in (told.stdout + told.stderr).splitlines()]
    assert [(line["level"], of_a_stall(line)) for line in lines] == [
        ("warning", True),
        ("info", True),
        ("warning", False),
        ("info", True),
        ("error", False),
        ("info", True),
    ]
