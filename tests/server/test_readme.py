"""What README shows runs as it is printed, beside the people of the demo."""

import asyncio
import re
import sys
from pathlib import Path

from server.demo import NAMES
from tests.server.running import Installation

README = Path(__file__).parents[2] / "README.md"


async def test_the_example_says_something_and_hears_it(installation: Installation, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    example = tmp_path / "example.py"
    example.write_text(code.replace("http://127.0.0.1:8080", installation.url))
    running = await asyncio.create_subprocess_exec(sys.executable, str(example), stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(30):
        said, _ = await running.communicate()
    assert running.returncode == 0
    assert said.startswith(b"stored at place 1\n")
    assert said.endswith(b"says hello\n")
    assert not set(NAMES) & set(re.findall(r'sign_up\(URL, "(.*?)"', code))
