"""Rounds: a fresh server and a fresh generator each, the order of the sides shuffled, median and spread."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from random import Random
from statistics import median

import msgspec

from bench.generator import Side, Told, generate
from bench.machine import MEMORY_FILE_SYSTEMS, file_system
from bench.measure import Better, Figure, Measured
from bench.stage import Floored, Workload
from bench.subject import Commands, RunError, build_floor, floor, free_port, product

NEEDED = {"hdrhistogram": "hdrh", "matplotlib": "matplotlib"}
SEVERAL_NODES = "several nodes: the floor, one process, is measured beside one node"
NO_COMPILER = "no C compiler: floor not measured"


class Options(msgspec.Struct, frozen=True):
    """What the workloads share."""

    rounds: int
    data: Path
    commands: Commands
    raised: dict[str, str]
    port: int = 0
    seed: int = 1
    nodes: int = 1
    parts: int = 1


class Run(msgspec.Struct):
    """All rounds of one workload: for each side, one entry a round."""

    ours: list[Measured]
    floor: list[Measured]
    floor_missing: str = ""

    @property
    def void(self) -> list[str]:
        """Why the run counts for nothing; empty when it does."""
        sides = {"ours": self.ours, "floor": self.floor}
        return [
            f"round {n}, {side}: {why}"
            for side, rounds in sides.items()
            for n, one in enumerate(rounds, 1)
            for why in one.void
        ]


class Summary(msgspec.Struct, frozen=True):
    """One figure over all rounds that count: the median, the extremes, the median ratio to the floor."""

    unit: str
    better: Better
    median: float
    low: float
    high: float
    rounds: int
    floor: float | None = None
    ratio: float | None = None


def run(workload: Workload, options: Options, told: Told) -> Run:
    """All rounds. Raises RunError when a server cannot be started or the data folder cannot give true figures."""
    for package, module in NEEDED.items():
        if find_spec(module) is None:
            raise RunError(f"{package} is missing: install tidings with its extra `bench`")
    options.data.mkdir(parents=True, exist_ok=True)
    kind = file_system(options.data)
    if workload.needs_disk and kind in MEMORY_FILE_SYSTEMS:
        raise RunError(f"{options.data} is on {kind}: a durable commit costs nothing there; name a disk with --data")
    binary = build_floor(options.data) if options.nodes == 1 and isinstance(workload, Floored) else None
    done = Run([], [], "" if binary else NO_COMPILER if options.nodes == 1 else SEVERAL_NODES)
    random = Random(options.seed)
    for number in range(1, options.rounds + 1):
        order: list[Side] = ["ours", "floor"] if binary else ["ours"]
        random.shuffle(order)
        for side in order:

            def in_round(doing: str, at: int, total: int, side: Side = side, number: int = number) -> None:
                told(f"round {number}/{options.rounds}, {side}: {doing}", at, total)

            in_round("starting", 0, 0)
            getattr(done, side).append(_one(workload, side, options, binary, in_round))
    return done


def summarise(done: Run) -> dict[str, Summary]:
    """Every figure of ours by name, beside the floor's of the same name; ratios are taken within a round."""
    ours = _by_name([one.believed for one in done.ours])
    bare = _by_name([one.believed for one in done.floor])
    summaries = {}
    for name, figures in ours.items():
        values = [figure.value for figure in figures.values()]
        beside = bare.get(name, {})
        ratios = [f.value / beside[n].value for n, f in figures.items() if n in beside and beside[n].value]
        first = next(iter(figures.values()))
        summaries[name] = Summary(
            first.unit, first.better, median(values), min(values), max(values), len(values),
            median(f.value for f in beside.values()) if beside else None, median(ratios) if ratios else None,
        )  # fmt: skip
    return summaries


def _one(workload: Workload, side: Side, options: Options, binary: Path | None, told: Told) -> Measured:
    if side == "floor":
        assert binary is not None
        with floor(binary) as stage:
            return generate(workload, side, stage, told)
    raised = workload.raised | options.raised
    port, users = options.port or free_port(options.nodes), workload.users_for(options.nodes)
    with product(options.commands, port, options.data / "server", raised, users, options.nodes) as stage:
        return generate(workload, side, stage, told, options.parts)


def _by_name(rounds: list[list[Figure]]) -> dict[str, dict[int, Figure]]:
    named: dict[str, dict[int, Figure]] = {}
    for number, figures in enumerate(rounds):
        for figure in figures:
            named.setdefault(figure.name, {})[number] = figure
    return named
