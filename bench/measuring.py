"""One measurement on a terminal: its rounds with a bar, its report printed and stored."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench.machine import described, fdatasync_ms, file_system
from bench.plots import draw
from bench.report import Report, command, now, store
from bench.rounds import Options, Run, run, summarise
from bench.stage import Workload
from bench.subject import Commands, RunError


def measured(
    workload: Workload,
    *,
    rounds: int,
    quick: bool,
    data: Path,
    results: Path,
    port: int,
    server_command: str,
    mint_command: str,
    raised: tuple[str, ...],
    seed: int,
    nodes: int = 1,
    parts: int = 1,
) -> bool:
    """Run all rounds, print and store the report; whether its figures count. Raises ClickException."""
    if quick:
        workload = workload.quick()
    commands = Commands(server_command, mint_command)
    options = Options(rounds, data.resolve(), commands, _pairs(raised), port, seed, nodes, parts)
    done = _watched(workload, options)
    machine = described() | {"data folder": f"{file_system(data)}, fdatasync {fdatasync_ms(data):.2f} ms"}
    report = Report(
        workload.name if nodes == 1 else f"{workload.name}-{nodes}-nodes",
        now(),
        command(),
        msgspec.to_builtins(workload) | {"quick": quick, "server": server_command.replace("{nodes}", str(nodes))},
        workload.raised | options.raised,
        machine,
        {} if done.void else summarise(done),
        done.void,
        done,
    )
    _show(report, store(report, results), options.data)
    return not done.void


def _show(report: Report, path: Path, data: Path) -> None:
    if report.figures:
        draw(report, path.with_suffix(".png"), data / "matplotlib")
    else:
        path.with_suffix(".png").unlink(missing_ok=True)
    Console().print(Markdown(path.read_text()))
    click.echo(path)


def _watched(workload: Workload, options: Options) -> Run:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2, transient=True) as bar:
        task = bar.add_task(workload.name, total=None)

        def told(doing: str, at: int, total: int) -> None:
            bar.update(task, description=f"{workload.name} · {doing}", completed=at, total=total or None)

        try:
            return run(workload, options, told)
        except RunError as failed:
            raise click.ClickException(str(failed)) from failed


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise click.BadParameter(f"{word!r} is not NAME=VALUE", param_hint="--raise")
    return dict(word.split("=", 1) for word in words)
