"""`tidings status`: the whole cluster as one table, or one node in detail."""

import asyncio
from contextlib import AsyncExitStack

import click
from rich.console import Console

from config.settings import SettingError, Settings
from persistence.nodes.contract import View
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from server.reach import reaching_postgres
from server.scrape import Absent, Silent, Strange, scrape
from server.status_table import Seen, details, overview
from server.supervisor.starting import MOST_NODES

WIDE = 1_000
"""Columns for a reader that is no terminal: a line for each node."""

RUNNING = "is `tidings serve` running?"


def show(settings: Settings, number: int) -> None:
    """Print node `number` in detail. Raises click.ClickException when it does not answer."""
    private = settings.node.private_of(number)
    try:
        said = asyncio.run(scrape(str(private)))
    except Silent as fault:
        raise click.ClickException(f"http://{private} does not answer ({fault}): {RUNNING}") from fault
    except Strange as fault:
        raise click.ClickException(f"{fault}: is node.private right?") from fault
    Console().print(details(f"node {number} at {settings.node.address_of(number)}", said))


def show_cluster(settings: Settings) -> None:
    """Print all nodes. Raises click.ClickException when neither the database nor a node answers."""
    asyncio.run(_show_cluster(settings))


async def _show_cluster(settings: Settings) -> None:
    try:
        view = await _leases(settings)
    except SettingError as fault:
        await _show_nodes_here(settings, fault)
        return
    if not view.members:
        raise click.ClickException(f"no node holds a lease: {RUNNING}")
    seen = [
        _seen(member.node.name, member.node.private, f"it holds a lease and acts by version {member.confirmed}")
        for member in view.members
    ]
    console = _console()
    _print(console, overview(await asyncio.gather(*seen), console.width))
    late = [member.node.name for member in view.members if member.confirmed != view.version]
    agreed = f"not yet acted by: {', '.join(late)}" if late else "all nodes act by it"
    _print(console, f"placement version {view.version}: {agreed}")


async def _leases(settings: Settings) -> View:
    """Who holds a lease. Raises SettingError when the database does not tell."""
    async with AsyncExitStack() as stack:
        with reaching_postgres():
            pool = await stack.enter_async_context(open_pool(str(settings.postgres.url), 1))
            return await PostgresNodes(pool).look()


async def _show_nodes_here(settings: Settings, fault: SettingError) -> None:
    """Whoever listens where the nodes of this machine do."""
    node = settings.node
    places = [(str(node.address_of(0)), str(node.private))]
    places += [(str(node.address_of(number)), str(node.private_of(number))) for number in range(1, MOST_NODES + 1)]
    found = await asyncio.gather(*(_seen(name, private, "") for name, private in places))
    nodes = [seen for seen in found if not isinstance(seen.said, Absent)]
    if not nodes:
        raise click.ClickException(f"{str(fault).rstrip('.')}; no node answers here either: {RUNNING}") from fault
    console = _console()
    _print(console, overview(nodes, console.width))
    _print(console, f"{fault} Who holds a lease is not known: these are the nodes of this machine.")


async def _seen(name: str, private: str, lease: str) -> Seen:
    """Machines that left `node.private` as it is name the same address, each meaning its own."""
    try:
        said = await scrape(private)
        if said.name != name:
            raise Strange(f"{said.name} answers at http://{private}: give each machine a node.private of its own")
    except (Silent, Strange) as fault:
        return Seen(name, lease, fault)
    return Seen(name, lease, said)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def _print(console: Console, what: object) -> None:
    console.print(what, markup=False, highlight=False)
