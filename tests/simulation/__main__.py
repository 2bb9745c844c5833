"""`python -m tests.simulation SEED` prints the history of one seed and what is broken in it.

`python -m tests.simulation --from A --to B --record FILE` runs the seeds A … B-1 on all cores. FILE gets a line for
each slice that is done, with the commit it was run at; the next run with it goes on where this one ended.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.checker.checker import check
from bench.checker.history import rendered
from tests.simulation.world import simulate

SLICE = 250
ROOT = Path(__file__).parents[2]


class Done(Struct, frozen=True):
    """The seeds `first` … `end`-1 ran at `commit`; `broken` are those in which an invariant did not hold."""

    commit: str
    first: int
    end: int
    broken: list[int]


def show(seed: int) -> int:
    """Print one history; 1 if something is broken."""
    record = simulate(seed)
    broken = check(record)
    sys.stdout.write(rendered(record))
    sys.stdout.write("\n".join(broken or ["every invariant holds"]) + "\n")
    return 1 if broken else 0


def run_range(first: int, end: int, file: Path) -> int:
    """Run what `file` does not have yet at this commit; 1 if anything was ever found broken there."""
    commit = _commit()
    done = [entry for entry in _read(file) if entry.commit == commit]
    had = {(entry.first, entry.end) for entry in done}
    slices = [
        (start, min(start + SLICE, end))
        for start in range(first, end, SLICE)
        if (start, min(start + SLICE, end)) not in had
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool, file.open("ab") as out:
        for (start, stop), broken in zip(slices, pool.map(_run_slice, slices), strict=True):
            entry = Done(commit, start, stop, broken)
            done.append(entry)
            out.write(msgspec.json.encode(entry) + b"\n")
            out.flush()
            for seed in broken:
                sys.stdout.write(f"seed {seed} is broken\n")
    count = sum(entry.end - entry.first for entry in done)
    broken = sorted(seed for entry in done for seed in entry.broken)
    sys.stdout.write(f"{count} seeds at {commit}, {len(broken)} broken {broken[:20] if broken else ''}\n")
    return 1 if broken else 0


def _run_slice(bounds: tuple[int, int]) -> list[int]:
    return [seed for seed in range(*bounds) if check(simulate(seed))]


def _read(file: Path) -> Iterator[Done]:
    if file.exists():
        for line in file.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Done)


def _commit() -> str:
    """The commit of the working tree, marked when the tree has changes of its own."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return described.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Run the simulator.")
    parser.add_argument("seed", type=int, nargs="?", help="print the history of this seed")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="A")
    parser.add_argument("--to", dest="end", type=int, metavar="B")
    parser.add_argument("--record", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.seed is not None:
        return show(asked.seed)
    if asked.end is None or asked.record is None:
        parser.error("either SEED, or --to and --record")
    return run_range(asked.first, asked.end, asked.record)


if __name__ == "__main__":
    sys.exit(main())
