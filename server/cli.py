"""The command `tidings`."""

import asyncio
import json
import os
import secrets
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal

import click
from msgspec import to_builtins

from config.settings import SettingError, Settings, load
from persistence.durability import DurabilityError
from persistence.migrate import MigrationError
from server.embedded import EmbeddedError
from server.supervisor.starting import MOST_NODES, load_for

TOLD = (SettingError, EmbeddedError, DurabilityError, MigrationError)
"""What an operator can mend: its message is one sentence for them."""

DATA = Path(".tidings/data")

NODES = click.IntRange(1, MOST_NODES)

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=DATA,
    show_default=True,
    help="Folder of the embedded services.",
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Settings file; by default that of the installation in --data.",
)
event_option = click.option("--event", type=click.IntRange(1, 2**63 - 1), default=None, help="Only this one.")


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
    """Simulated people who talk, with a live table; starts a server of its own in --data."""
    from rich.console import Console

    from server.chat import told
    from server.demo import run_demo

    with told(url or f"http://127.0.0.1:{port}"):
        asyncio.run(run_demo(url, port, people, data, Console(), nodes))


@main.command()
@click.option("--as", "name", required=True, help="Your username; you are signed up if nobody has it.")
@click.option("--password", prompt=True, hide_input=True, help="At least 8 characters; asked for if not given.")
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="The server.")
def chat(name: str, password: str, url: str) -> None:
    """Talk to people from this terminal."""
    from server.chat import chat as talk
    from server.chat import told

    with told(url):
        asyncio.run(talk(url, name, password))


@main.command()
@click.option("--node", type=NODES, default=None, help="Everything about this one.")
@data_option
@config_option
def status(node: int | None, data: Path, config: Path | None) -> None:
    """What the nodes of the cluster do."""
    from server.status import show, show_cluster

    settings = _installed(data, config)
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

    asyncio.run(migrated(str(_installed(data, config).postgres.url)))
    click.echo("the database is up to date")


@main.group()
def admin() -> None:
    """For operators."""


@admin.command()
@click.option("--users", type=click.IntRange(1, 1_000_000), required=True, help="How many.")
@click.option("--prefix", default="load", show_default=True, help="Names are PREFIX1, PREFIX2, …")
@data_option
@config_option
def mint(users: int, prefix: str, data: Path, config: Path | None) -> None:
    """Make users and tokens for load, without passwords: one JSON object per line on stdout."""
    from persistence.people.postgres import PostgresPeople
    from persistence.pool import open_pool
    from server.composition import clock
    from server.mint import mint as minted
    from server.reach import reaching_postgres
    from server.tokens import Tokens

    settings = _installed(data, config)

    async def run() -> None:
        keys = [(key.kid, key.secret_bytes) for key in settings.tokens.keys]
        tokens = Tokens(keys, settings.tokens.access_s, clock)
        async with AsyncExitStack() as stack:
            with reaching_postgres():
                pool = await stack.enter_async_context(open_pool(str(settings.postgres.url), 1))
            async for person in minted(PostgresPeople(pool), tokens, secrets.token_bytes, users, prefix):
                click.echo(json.dumps(to_builtins(person)))

    try:
        asyncio.run(run())
    except ValueError as fault:
        raise click.ClickException(f"--prefix: {fault}.") from fault


@admin.group()
def push() -> None:
    """Pushes on their way to devices."""


@push.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many at most.")
@data_option
@config_option
def list_pushes(limit: int, data: Path, config: Path | None) -> None:
    """What waits to be sent, what is due first at the top."""
    _show_pushes("waiting", limit, data, config)


@push.command("dead")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many at most.")
@data_option
@config_option
def dead_pushes(limit: int, data: Path, config: Path | None) -> None:
    """What could not be sent, the latest first. It is kept for a week."""
    _show_pushes("dead", limit, data, config)


@push.command("replay")
@click.argument("ids", nargs=-1, type=click.IntRange(1))
@click.option("--all", "everything", is_flag=True, help="The oldest instead, up to --limit.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="How many at most.")
@click.option("--life", type=click.IntRange(1, 604_800), default=3_600, show_default=True, help="Seconds it has left.")
@data_option
@config_option
def replay_pushes(
    ids: tuple[int, ...], everything: bool, limit: int, life: int, data: Path, config: Path | None
) -> None:
    """Try dead pushes anew, by the IDS that `dead` shows. What was read meanwhile is not shown."""
    from server.push.dead_letters import replay

    if everything == bool(ids):
        raise click.UsageError("Name the ids of dead pushes, or give --all.")
    url = str(_installed(data, config).postgres.url)
    count = asyncio.run(replay(url, None if everything else ids, limit, life))
    click.echo(f"{count:,} dead pushes are tried anew" if count != 1 else "1 dead push is tried anew")


@push.command()
def vapid() -> None:
    """Make a key for push.vapid_key."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    number = generate_private_key(SECP256R1()).private_numbers().private_value
    click.echo(base64.urlsafe_b64encode(number.to_bytes(32)).rstrip(b"=").decode())


def _show_pushes(state: Literal["waiting", "dead"], limit: int, data: Path, config: Path | None) -> None:
    from rich.console import Console

    from server.push.dead_letters import show

    asyncio.run(show(str(_installed(data, config).postgres.url), state, limit, Console()))


@admin.command()
@data_option
@config_option
def outbox(data: Path, config: Path | None) -> None:
    """How many events wait for each consumer, and for how long the oldest has."""
    from server.outbox.admin import show_lag

    show_lag(_installed(data, config))


@admin.group("dead-letters")
def dead_letters() -> None:
    """Events that a consumer could not handle: list, replay or drop them."""


@dead_letters.command("list")
@click.option("--consumer", default=None, help="Only those of this one.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The most to show.")
@data_option
@config_option
def list_dead_letters(consumer: str | None, limit: int, data: Path, config: Path | None) -> None:
    """The latest first, with why each died."""
    from server.outbox.admin import show_dead_letters

    show_dead_letters(_installed(data, config), consumer, limit)


@dead_letters.command()
@click.argument("consumer")
@event_option
@data_option
@config_option
def replay(consumer: str, event: int | None, data: Path, config: Path | None) -> None:
    """Have CONSUMER handle all its dead letters again, or one."""
    from server.outbox.admin import replay as replay_letters

    replay_letters(_installed(data, config), consumer, event)


@dead_letters.command()
@click.argument("consumer")
@event_option
@click.confirmation_option(prompt="They are gone for good then. Go on?")
@data_option
@config_option
def drop(consumer: str, event: int | None, data: Path, config: Path | None) -> None:
    """Give up all dead letters of CONSUMER, or one."""
    from server.outbox.admin import drop as drop_letters

    drop_letters(_installed(data, config), consumer, event)


def _installed(data: Path, config: Path | None) -> Settings:
    """Settings of a running installation."""
    file = config or data / "tidings.toml"
    if config is None and not file.exists():
        raise SettingError(f"--data: {data} holds no installation: start `tidings serve --embedded` there first.")
    return load(file, os.environ)


if __name__ == "__main__":
    main()
