"""`tidings bench`: the load client on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from bench.compare import compare, read_baseline, stored_results, write_baseline
from bench.measuring import measured
from bench.room import room
from bench.stage import Workload
from bench.subject import Commands
from bench.workloads.celebrity import Celebrity
from bench.workloads.dm import Dm, DmAcross
from bench.workloads.fanout import Fanout
from bench.workloads.feed import Feed
from bench.workloads.held import Held
from bench.workloads.idle import Idle
from bench.workloads.likes import Likes
from bench.workloads.notifications import Notifications
from bench.workloads.presence import Presence
from bench.workloads.storm import Storm

Command = TypeVar("Command", bound=Callable[..., Any])
SETTINGS = (
    click.option("--rounds", default=5, show_default=True, help="Rounds, each with fresh servers."),
    click.option("--quick", is_flag=True, help="A few seconds a round: an indication."),
    click.option("--data", type=click.Path(path_type=Path), default=Path(".tidings/bench"), show_default=True),
    click.option("--results", type=click.Path(path_type=Path), default=Path("bench/results"), show_default=True),
    click.option("--port", default=0, help="The server's public port. Default: one that is free."),
    click.option("--server-command", default=Commands().serve, show_default=True),
    click.option("--mint-command", default=Commands().mint, show_default=True),
    click.option("--raise", "raised", multiple=True, metavar="NAME=VALUE", help="A setting of the server for the run."),
    click.option("--seed", default=1, show_default=True, help="Of the schedules and the order of the sides."),
)
NODES = click.option("--nodes", type=click.IntRange(1, 50), default=1, show_default=True, help="Of the server.")


def _measuring(function: Command) -> Command:
    """The options that all workloads share."""
    for option in reversed(SETTINGS):
        function = option(function)
    return function


@click.group()
def bench() -> None:
    """Measure a server that is started for the purpose, beside a bare C server, and compare with the baseline."""


@bench.command()
@click.option("--full", is_flag=True, help="From 1,000 up to 19,000 connections, all that a node holds.")
@click.option("--each", type=click.IntRange(2, 19_000), default=10_000, show_default=True, help="Of several nodes.")
@NODES
@_measuring
def idle(full: bool, each: int, nodes: int, **shared: Any) -> None:
    """Memory and CPU of idle, authenticated, pinged connections; on several nodes, as many as the machine holds."""
    if nodes > 1:
        found = room(nodes)
        click.echo(str(found))
        each = min(each, found.connections // nodes) // 2 * 2
        held = Held(nodes, (each // 2, each))
        _conclude(held, nodes=nodes, parts=held.parts, **shared)
        return
    shape = Idle()
    _conclude(msgspec.structs.replace(shape, steps=(1_000, *shape.steps, 19_000)) if full else shape, **shared)


@bench.command()
@click.option("--connections", default=5_000, show_default=True, help="Users, two of whom talk: an even number.")
@click.option("--rate", default=1_500.0, show_default=True, help="Connects per second at the end of the ramp.")
@NODES
@_measuring
def storm(connections: int, rate: float, nodes: int, **shared: Any) -> None:
    """CPU of connect + hello, fresh and resumed, harm to others, and the time to come back when a node is killed."""
    _conclude(Storm(connections // 2 * 2, rate, seed=shared["seed"]), nodes=nodes, **shared)


@bench.command()
@click.option("--rate", default=3_000.0, show_default=True, help="Messages per second offered.")
@click.option("--conversations", default=1_000, show_default=True)
@click.option("--seconds", default=10.0, show_default=True, help="The measured window.")
@click.option("--knee", is_flag=True, help="Search the highest rate that holds, beginning at --rate.")
@click.option("--across", is_flag=True, help="The two of each conversation are at home on different nodes.")
@NODES
@_measuring
def dm(rate: float, conversations: int, seconds: float, knee: bool, across: bool, nodes: int, **shared: Any) -> None:
    """Durable direct messages: ack and delivery latency, CPU per message, batches, what goes over links."""
    if across and nodes == 1:
        raise click.UsageError("--across needs several --nodes.")
    shape = DmAcross if across else Dm
    _conclude(shape(rate, conversations, seconds, knee=knee, seed=shared["seed"]), nodes=nodes, **shared)


@bench.command()
@click.option("--members", default=100, show_default=True)
@click.option("--devices", default=10, show_default=True, help="Sockets of each member.")
@click.option("--rate", default=20.0, show_default=True, help="Typing events per second.")
@click.option("--seconds", default=10.0, show_default=True, help="The measured window.")
@_measuring
def fanout(members: int, devices: int, rate: float, seconds: float, **shared: Any) -> None:
    """CPU per delivery of live events to the sockets of one group."""
    _conclude(Fanout(members, devices, rate, seconds), **shared)


@bench.command()
@click.option("--events", default=1_000_000, show_default=True, help="Likes in all.")
@click.option("--people", default=10_000, show_default=True, help="Whose posts are liked, by each other.")
@NODES
@_measuring
def notifications(events: int, people: int, nodes: int, **shared: Any) -> None:
    """Activities from the outbox into groups of the notification list: each counted once, and at which cost."""
    _conclude(Notifications(events, people), nodes=nodes, **shared)


@bench.command()
@click.option("--requests", default=100_000, show_default=True, help="Likes, unlikes and retries in all.")
@click.option("--people", default=1_000, show_default=True, help="Who like one post.")
@click.option("--seconds", default=60.0, show_default=True)
@NODES
@_measuring
def likes(requests: int, people: int, seconds: float, nodes: int, **shared: Any) -> None:
    """One post that everybody likes over HTTP: answer latencies, each answer and the total verified."""
    _conclude(Likes(requests, people, seconds, shared["seed"]), nodes=nodes, **shared)


@bench.command()
@click.option("--connections", default=10_000, show_default=True, help="Users, each watching 50 others.")
@click.option("--seconds", default=60.0, show_default=True, help="The quiet window, and the one with churn.")
@NODES
@_measuring
def presence(connections: int, seconds: float, nodes: int, **shared: Any) -> None:
    """CPU per change of somebody whom 50 watch, told per change, and what is held back; 2 % a minute come or go."""
    _conclude(Presence(connections, window_s=seconds, seed=shared["seed"]), nodes=nodes, **shared)


@bench.command()
@click.option("--readers", default=500, show_default=True, help="Users who read their feed, each following 100.")
@click.option("--rate", default=150.0, show_default=True, help="Pages per second.")
@click.option("--fans", default=9_999, show_default=True, help="Followers of the author whose posts are fanned out.")
@NODES
@_measuring
def feed(readers: int, rate: float, fans: int, nodes: int, **shared: Any) -> None:
    """Pages of 50 posts, cold and warm, over sockets and HTTP; and how long a post takes into its followers' lists."""
    _conclude(Feed(readers, rate=rate, fans=fans, seed=shared["seed"]), nodes=nodes, **shared)


@bench.command()
@click.option("--online", type=click.IntRange(100, 18_980), default=10_000, show_default=True, help="Followers online.")
@click.option("--followers", default=1_000_000, show_default=True, help="Of the author, in all.")
@NODES
@_measuring
def celebrity(online: int, followers: int, nodes: int, **shared: Any) -> None:
    """How soon all who are online and follow somebody very many follow hear of a post, and what others feel of it."""
    _conclude(Celebrity(online, followers, seed=shared["seed"]), nodes=nodes, **shared)


@bench.command("all")
@_measuring
def all_workloads(**shared: Any) -> None:
    """idle, storm, dm and fanout in their quick form, then the comparison with the baseline: within ten minutes."""
    shapes = (Idle(), Storm(seed=shared["seed"]), Dm(seed=shared["seed"]), Fanout())
    void = [shape.name for shape in shapes if not measured(shape, **shared | {"quick": True})]
    _print_comparison(shared["results"])
    if void:
        raise click.ClickException(f"void: {', '.join(void)}")


@bench.command("compare")
@click.option("--results", type=click.Path(path_type=Path), default=Path("bench/results"), show_default=True)
@click.option("--store", "stores", is_flag=True, help="Make the latest results the baseline.")
def compare_command(results: Path, stores: bool) -> None:
    """Print better or worse against the stored baseline; exit status 1 when something is worse."""
    worse = _print_comparison(results)
    if stores:
        click.echo(f"baseline: {write_baseline(results, stored_results(results))}")
    elif worse:
        sys.exit(1)


def _print_comparison(results: Path) -> bool:
    """Every latest figure beside the baseline; whether any is worse."""
    baseline = read_baseline(results)
    for workload, recorded in baseline.items():
        click.echo(f"baseline of {workload}: {recorded.at}, {recorded.machine.get('processor', 'unknown machine')}")
    comparisons = compare(baseline, stored_results(results))
    table = Table("workload", "figure", "baseline", "now", "verdict")
    for one in comparisons:
        then = "-" if one.then is None else f"{one.then.median:.4g}"
        table.add_row(one.workload, one.figure, then, f"{one.now.median:.4g} {one.now.unit}", one.verdict)
    Console().print(table)
    return any(one.verdict == "worse" for one in comparisons)


def _conclude(workload: Workload, **shared: Any) -> None:
    """Measure one workload; exit status 1 when the run is void."""
    if not measured(workload, **shared):
        sys.exit(1)
