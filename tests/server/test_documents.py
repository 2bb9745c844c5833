"""The API documents in docs/ are those that the code generates: `make docs` writes them."""

from pathlib import Path

from server.documents import write_documents

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documents_in_the_repository_are_up_to_date(tmp_path: Path) -> None:
    written = write_documents(tmp_path)
    assert {file.name for file in written} == {"openapi.json", "asyncapi.json"}
    for file in written:
        assert (DOCS / file.name).read_bytes() == file.read_bytes(), "run `make docs`"
