"""`tidings bench` from the command line to the report, with real processes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import bench
from bench.machine import file_system
from bench.measure import Figure, Measured
from bench.report import Report, load, now, store
from bench.rounds import Run, summarise

STAND_IN = f"{shlex.quote(sys.executable)} -m tests.bench.stand_in"
SERVE = STAND_IN + " --port {port} --as server.node"
SUPERVISED = STAND_IN + " --port {port} --supervised"
MINT = STAND_IN + " --mint {users}"
MEMORY = Path("/dev/shm")


def run(folder: Path, *words: str, serve: str = SERVE, data: Path | None = None) -> Result:
    common = ["--rounds", "1", "--server-command", serve, "--mint-command", MINT]
    places = ["--data", str(data or folder / "data"), "--results", str(folder / "results")]
    return CliRunner().invoke(bench, [*words, *common, *places])


@pytest.mark.verify
def test_a_run_stores_its_report_and_leaves_nothing_else(tmp_path: Path) -> None:
    limit = "TIDINGS_GATEWAY__BURST=500"
    done = run(tmp_path, "storm", "--quick", "--connections", "50", "--rate", "200", "--raise", limit, serve=SUPERVISED)
    report = load(tmp_path / "results/storm.json")
    assert all("generator lag" in why for why in report.void), "a busy machine is the only excuse"
    assert done.exit_code == bool(report.void), done.output
    figures = {figure.name for figure in report.run.ours[0].figures}
    assert {"CPU per connect + hello resumed", "time to 100 % back after a kill"} <= figures
    assert report.raised == {"TIDINGS_GATEWAY__BURST": "500"}
    readable = (tmp_path / "results/storm.md").read_text()
    assert "TIDINGS_GATEWAY__BURST: 500" in readable
    assert "Only 1 rounds of at least 5" in readable
    assert (tmp_path / "results/storm.png").exists() != bool(report.void)
    assert not (tmp_path / "data/server").exists()


@pytest.mark.verify
def test_a_node_that_forgets_what_it_stored_voids_the_storm_when_it_is_killed(tmp_path: Path) -> None:
    serve = SUPERVISED + " --forgetful"
    done = run(tmp_path, "storm", "--quick", "--connections", "10", "--rate", "200", serve=serve)
    assert done.exit_code == 1
    assert "lost by a kill x 104" in done.output


def test_what_is_worse_than_the_baseline_fails_the_comparison(tmp_path: Path) -> None:
    def stored(cpu: float) -> list[str]:
        run = Run([Measured([Figure("CPU per message", "µs", cpu)])] * 3, [])
        store(Report("dm", now(), "", {}, {}, {}, summarise(run), run.void, run), tmp_path)
        return ["compare", "--results", str(tmp_path)]

    assert CliRunner().invoke(bench, [*stored(100), "--store"]).exit_code == 0
    assert CliRunner().invoke(bench, stored(90)).exit_code == 0
    worse = CliRunner().invoke(bench, stored(110))
    assert worse.exit_code == 1
    assert "worse" in worse.output


def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    done = run(tmp_path, "storm", "--connections", "2", serve=f"{STAND_IN} --no-such-option")
    assert done.exit_code == 1
    assert "did not get ready" in done.output
    assert "unrecognized arguments: --no-such-option" in done.output


def test_a_server_without_a_node_process_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "storm", "--connections", "2", serve=STAND_IN + " --port {port}")
    assert "0 of 1 processes have 'server.node' in their command" in done.output


def test_direct_messages_are_not_measured_on_a_memory_file_system(tmp_path: Path) -> None:
    assert file_system(MEMORY) == "tmpfs"
    done = run(tmp_path, "dm", data=MEMORY)
    assert done.exit_code == 1
    assert "a durable commit costs nothing there" in done.output


def test_every_workload_has_a_command() -> None:
    assert {"idle", "storm", "dm", "fanout", "presence", "notifications"} <= set(bench.commands)
