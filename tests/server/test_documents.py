"""The API documents in docs/ are those that the code generates: `make docs` writes them."""

import re
from pathlib import Path
from typing import get_args

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
