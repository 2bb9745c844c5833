"""`tidings torture`: whether what was promised holds on real processes, whatever happens to them."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from time import monotonic

import click
import msgspec

from bench.machine import described
from bench.subject import RunError
from bench.torture.cluster import started
from bench.torture.run import Outcome, Run
from bench.torture.troubles import KINDS

EACH = 4
"""Troubles of a run."""


class Done(msgspec.Struct, frozen=True):
    """A run in the record, and the commit that it was made at."""

    commit: str
    outcome: Outcome


@click.command()
@click.option("--runs", type=click.IntRange(1), default=10, show_default=True, help="How many more.")
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="Kinds of trouble.  [default: all, in turn]")
@click.option("--data", type=click.Path(path_type=Path), default=Path(".tidings/torture"), show_default=True)
def torture(runs: int, only: tuple[str, ...], data: Path) -> None:
    """Break a cluster of real processes, again and again, and check that nothing acknowledged was lost.

    Three nodes, Postgres and NATS are killed, stopped, cut off from each other and restarted while people talk. Every
    run leaves a line in DATA/record.jsonl; the next call goes on after it and prints the totals of this commit.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        reason = fault.strerror or fault
        raise click.ClickException(f"--data: {data} cannot be used ({reason}): name a folder.") from fault
    with _alone_in(data):
        _more(runs, only or KINDS, data)


@contextmanager
def _alone_in(data: Path) -> Iterator[None]:
    """Raises ClickException while another one is at work there."""
    with (data / "torture.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"--data: another `tidings torture` runs in {data}: choose another.") from None
        yield


def _more(runs: int, kinds: tuple[str, ...], data: Path) -> None:
    record = data / "record.jsonl"
    commit = described().get("commit", "unknown")
    before = [done.outcome for done in _read(record) if done.commit == commit]
    first = max((outcome.seed for outcome in before), default=0) + 1
    try:
        asyncio.run(_torture(range(first, first + runs), kinds, data, record, commit))
    except RunError as failed:
        raise click.ClickException(str(failed)) from failed
    outcomes = [done.outcome for done in _read(record) if done.commit == commit]
    click.echo(_totals(outcomes, commit))
    if any(outcome.anomalies for outcome in outcomes):
        sys.exit(1)


async def _torture(seeds: range, kinds: tuple[str, ...], data: Path, record: Path, commit: str) -> None:
    folder = data / "torture-cluster"
    shutil.rmtree(folder, ignore_errors=True)
    async with started(folder) as cluster:
        for seed in seeds:
            began = monotonic()
            outcome = await Run(cluster, seed).live(chosen(seed, kinds))
            with record.open("ab") as file:
                file.write(msgspec.json.encode(Done(commit, msgspec.structs.replace(outcome, history=""))) + b"\n")
            click.echo(f"{_line(outcome)} ({monotonic() - began:.0f} s)")
            if outcome.anomalies:
                history = data / f"run{seed}.txt"
                history.write_text(outcome.history)
                click.echo("\n".join("  " + broken[:300] for broken in outcome.anomalies[:20]))
                click.echo(f"  its history: {history}")


def chosen(seed: int, kinds: tuple[str, ...]) -> list[str]:
    """The troubles of a run: every kind in turn over the runs, in an order drawn for each."""
    turn = [kinds[(seed * EACH + number) % len(kinds)] for number in range(EACH)]
    Random(f"order {seed}").shuffle(turn)
    return turn


def _read(record: Path) -> Iterator[Done]:
    """What was recorded; a line that was cut short counts for nothing."""
    for line in record.read_bytes().splitlines() if record.exists() else ():
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=Done)


def _line(outcome: Outcome) -> str:
    verdict = f"{len(outcome.anomalies)} ANOMALIES" if outcome.anomalies else "nothing broken"
    return (
        f"run {outcome.seed}: {outcome.acked:,} acked, {outcome.told:,} told, {outcome.connections} connections, "
        f"converged {outcome.healed_s:.1f} s after healing, {verdict}: {', '.join(outcome.troubles)}"
    )


def _totals(outcomes: list[Outcome], commit: str) -> str:
    troubles = Counter(trouble for outcome in outcomes for trouble in outcome.troubles)
    anomalies = sum(len(outcome.anomalies) for outcome in outcomes)
    lines = [
        f"{len(outcomes)} runs at {commit}: {sum(outcome.acked for outcome in outcomes):,} acked, "
        f"{sum(outcome.told for outcome in outcomes):,} told, {anomalies} anomalies"
    ]
    return "\n".join([*lines, *(f"  {count} x {trouble}" for trouble, count in sorted(troubles.items()))])
