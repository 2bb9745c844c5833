"""The API documents in docs/ are those that the code generates: `make docs` writes them."""

import re
from pathlib import Path
from typing import get_args

from protocol.problems import STATUS
from protocol.requests import AnyRequest
from protocol.routes import ROUTES
from server.documents import write_documents

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documents_in_the_repository_are_up_to_date(tmp_path: Path) -> None:
    written = write_documents(tmp_path)
    assert {file.name for file in written} == {"openapi.json", "asyncapi.json"}
    for file in written:
        assert (DOCS / file.name).read_bytes() == file.read_bytes(), "run `make docs`"


def test_the_contract_says_what_this_version_serves() -> None:
    served = (DOCS / "protocol.md").read_text().partition("## 10. ")[2]
    operations, routes = (set(re.findall("`(.+?)`", part)) for part in served.split("- routes:"))
    assert operations == {request.__struct_config__.tag for request in get_args(AnyRequest)}
    answered = {f"{route.method} {route.path}" for route in ROUTES} | {"GET /v1/socket"}
    assert routes - {"unknown_op"} == answered


def test_the_contract_tells_the_status_of_every_code() -> None:
    [told] = [part for part in (DOCS / "protocol.md").read_text().split("\n\n") if part.startswith("A problem is")]
    for code, status in STATUS.items():
        [said] = [part for part in told.split(";") if f"`{code}`" in part]
        assert f"{status.value}:" in said
