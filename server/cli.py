"""The command `tidings`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from config.settings import SettingError
from persistence.durability import DurabilityError
from persistence.migrate import MigrationError
from server.administration import admin
from server.embedded import EmbeddedError
from server.installed import config_option, data_option, installed
from server.supervisor.starting import MOST_NODES, load_for

TOLD = (SettingError, EmbeddedError, DurabilityError, MigrationError)
"""What an operator can mend: its message is one sentence for them."""

NODES = click.IntRange(1, MOST_NODES)


class Tidings(click.Group):
    """Ends with one sentence, and status 2, for what is wrong with settings or services."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TOLD as fault:
            click.echo(f"tidings: {fault}", err=True)
            sys.exit(2)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name == "bench":
            from bench.cli import bench

            return bench
        if name == "torture":
            from bench.torture.cli import torture

            return torture
        return super().get_command(ctx, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "bench", "torture"])


@click.group(cls=Tidings)
def main() -> None:
    """Tidings: a self-hosted real-time backend."""


@main.command()
@click.option("--embedded", is_flag=True, help="Bring Postgres, NATS and Valkey along, in --data.")
@click.option("--nodes", type=NODES, default=1, show_default=True, help="Nodes on this machine.")
@click.option("--port", type=click.IntRange(1, 65_000), default=None, help="Port of all nodes.  [default: 8080]")
@data_option
@config_option
def serve(embedded: bool, nodes: int, port: int | None, data: Path, config: Path | None) -> None:
    """Serve until interrupted. Prints one line when ready.

    All nodes answer on the port, node I also on the port I above, its own, and privately (health, metrics) 100 + I
    above. The NATS of --embedded is 99 above.
    """
    from server.observe import start_logging
    from server.supervisor.supervisor import Supervisor, supervise

    if embedded and config:
        raise click.UsageError("--embedded takes its settings from the environment: leave out --config, or --embedded.")
    folder = data if embedded else None
    settings = load_for(folder, config, {}, nodes, port)
    start_logging(settings.log.level)
    supervisor = Supervisor(settings, folder, config, lambda text: click.echo(text, err=True), nodes)
    asyncio.run(supervise(supervisor, settings))


@main.command()
@click.option("--rolling", is_flag=True, help="One node after the other, while the others serve.")
@data_option
def restart(rolling: bool, data: Path) -> None:
    """Start the nodes of a running installation anew. Returns when all of them serve again.

    Of `tidings serve --embedded`; one with --config does it when it gets SIGHUP, and tells how in its log.
    """
    from rich.console import Console

    from server.supervisor.asking import restart_rolling

    if not rolling:
        raise click.UsageError("There is only --rolling: to restart everything at once, end `tidings serve` instead.")
    restart_rolling(data, Console())


@main.command()
@click.option("--people", type=click.IntRange(2, 1_000), default=30, show_default=True, help="How many.")
@click.option("--port", type=click.IntRange(1, 65_000), default=8080, show_default=True, help="Port to serve on.")
@click.option("--nodes", type=NODES, default=2, show_default=True, help="Nodes of the server that is started.")
@click.option("--url", default=None, help="A server that runs already, instead of starting one.")
@data_option
def demo(people: int, port: int, nodes: int, url: str | None, data: Path) -> None:
    """Simulated people who talk and post, with a live table; starts a server of its own in --data."""
    from rich.console import Console

    from server.chat.program import told
    from server.demo import run_demo

    with told(url or f"http://127.0.0.1:{port}"):
        asyncio.run(run_demo(url, port, people, data, Console(), nodes))


@main.command()
@click.option("--as", "name", required=True, help="Your username; you are signed up if nobody has it.")
@click.option("--password", prompt=True, hide_input=True, help="At least 8 characters; asked for if not given.")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="The server.")
def chat(name: str, password: str, url: str) -> None:
    """Talk to people from this terminal."""
    from server.chat.program import chat as talk
    from server.chat.program import told

    with told(url):
        asyncio.run(talk(url, name, password))


@main.command()
@click.option("--node", type=NODES, default=None, help="Everything about this one.")
@data_option
@config_option
def status(node: int | None, data: Path, config: Path | None) -> None:
    """What the nodes of the cluster do."""
    from server.status import show, show_cluster

    settings = installed(data, config)
    if node is None:
        show_cluster(settings)
    else:
        show(settings, node)


@main.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("docs"), show_default=True, help="Folder."
)
def docs(out: Path) -> None:
    """Write the OpenAPI and AsyncAPI documents."""
    from server.documents import write_documents

    try:
        for file in write_documents(out):
            click.echo(f"wrote {file}")
    except OSError as fault:
        raise click.ClickException(f"--out: {out} cannot be written to ({fault.strerror}): name a folder.") from fault


@main.command()
@data_option
@config_option
def migrate(data: Path, config: Path | None) -> None:
    """Bring the database up to date."""
    from server.supervisor.installation import migrated

    asyncio.run(migrated(str(installed(data, config).postgres.url)))
    click.echo("the database is up to date")


main.add_command(admin)


if __name__ == "__main__":
    main()
