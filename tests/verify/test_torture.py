"""The short selection of `tidings torture`: every kind of trouble once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.torture.troubles import KINDS

RUNS = 3


@pytest.mark.verify
def test_what_was_promised_holds_on_real_processes_whatever_happens_to_them(tmp_path: Path) -> None:
    data = tmp_path / "torture"
    command = [sys.executable, "-m", "server.cli", "torture", "--runs", str(RUNS), "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    outcomes = [json.loads(line)["outcome"] for line in (data / "record.jsonl").read_text().splitlines()]
    assert len(outcomes) == RUNS
    assert {trouble for outcome in outcomes for trouble in outcome["troubles"]} == set(KINDS)
    assert all(outcome["acked"] > 500 for outcome in outcomes)
