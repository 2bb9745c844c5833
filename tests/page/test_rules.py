"""The page's client rules, tested where they are at home: in JavaScript."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.verify
def test_the_rules_of_the_page_hold() -> None:
    node = shutil.which("node")
    assert node, "node is not installed: install Node.js 18 or newer"
    ran = subprocess.run([node, "--test", str(HERE / "rules.test.mjs")], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout
