"""The architecture as the imports show it: who may know whom, and what the pure rooms may not touch."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

MAY_IMPORT = {
    "protocol": set(),
    "actors": {"protocol"},
    "persistence": {"protocol"},
    "config": set(),
    "server": {"persistence", "actors", "protocol", "config"},
    "bench": {"config", "protocol"},
}
ROOMS = set(MAY_IMPORT)

LAZILY = {("server/cli.py", "bench")}
"""Imports beyond these directions, allowed inside a function."""

PURE = {"protocol", "actors"}
PURE_PACKAGES = {"msgspec", "websockets", "xxhash"}
"""The packages whose parts without I/O the pure rooms may use."""

IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "queue", "sched", "signal", "subprocess", "threading"),
    *("datetime", "time", "zoneinfo"),
    *("random", "secrets", "uuid"),
    *("ctypes", "fcntl", "io", "os", "pathlib", "shutil", "sys", "tempfile"),
    *("select", "selectors", "socket", "socketserver", "ssl"),
}
"""Loops and threads, clocks, randomness, files and sockets of the standard library."""

TOP_LEVEL = ROOMS | {
    *("clients", "tests", "docs", "README.md", "CHANGELOG.md", "LICENSE"),
    *("Makefile", "pyproject.toml", "requirements.lock", ".ci", ".gitignore"),
}
IGNORED = {".git", ".venv", ".tidings"}


def modules(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


def imported(path: Path, deep: bool = True) -> Iterator[tuple[int, str]]:
    """Line and full name of every import; those inside functions only when `deep`."""
    waiting: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import cannot leave its package.
            if node.level == 0:
                yield node.lineno, node.module or ""
        elif deep or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(ast.iter_child_nodes(node))


def spelled(path: Path, line: int, name: str) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line} imports {name}"


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_dependencies_point_one_way(room: str) -> None:
    assert modules(room)
    wrong = []
    for path in modules(room):
        top = set(imported(path, deep=False))
        for line, name in imported(path):
            other = name.partition(".")[0]
            lazy = (str(path.relative_to(REPOSITORY)), other) in LAZILY and (line, name) not in top
            if other in ROOMS | {"tests"} and other not in MAY_IMPORT[room] | {room} and not lazy:
                wrong.append(spelled(path, line, name))
    assert wrong == []


@pytest.mark.parametrize("room", sorted(PURE))
def test_the_pure_rooms_touch_no_clock_no_randomness_no_loop_and_no_driver(room: str) -> None:
    wrong = []
    for path in modules(room):
        for line, name in imported(path):
            package = name.partition(".")[0]
            foreign = package not in sys.stdlib_module_names | ROOMS | PURE_PACKAGES
            if package in IMPURE or foreign:
                wrong.append(spelled(path, line, name))
    assert wrong == []


def test_clients_know_none_of_our_rooms() -> None:
    assert modules("clients")
    wrong = [
        spelled(path, line, name)
        for path in modules("clients")
        for line, name in imported(path)
        if name.partition(".")[0] in ROOMS
    ]
    assert wrong == []


def test_every_folder_of_tests_is_a_package_so_that_none_shadows_a_room() -> None:
    folders = {path.parent for path in modules("tests")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_says_what_lives_there_and_holds_no_code_of_its_own(room: str) -> None:
    tree = ast.parse((REPOSITORY / room / "__init__.py").read_text("utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_the_top_level_holds_exactly_what_the_architecture_names() -> None:
    names = {path.name for path in REPOSITORY.iterdir()}
    assert names - IGNORED == TOP_LEVEL
