"""The commands of `tidings admin`: users for load, pushes, and events that consumers have yet to handle."""

import asyncio
import json
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import click
from msgspec import to_builtins

from server.installed import config_option, data_option, installed

event_option = click.option("--event", type=click.IntRange(1, 2**63 - 1), default=None, help="Only this one.")


@click.group()
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

    settings = installed(data, config)

    async def run() -> None:
        tokens = Tokens(settings.tokens.secrets, settings.tokens.access_s, clock)
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
    url = str(installed(data, config).postgres.url)
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

    asyncio.run(show(str(installed(data, config).postgres.url), state, limit, Console()))


@admin.command()
@data_option
@config_option
def outbox(data: Path, config: Path | None) -> None:
    """How many events wait for each consumer, and for how long the oldest has."""
    from server.outbox.admin import show_lag

    show_lag(installed(data, config))


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

    show_dead_letters(installed(data, config), consumer, limit)


@dead_letters.command()
@click.argument("consumer")
@event_option
@data_option
@config_option
def replay(consumer: str, event: int | None, data: Path, config: Path | None) -> None:
    """Have CONSUMER handle all its dead letters again, or one."""
    from server.outbox.admin import replay as replay_letters

    replay_letters(installed(data, config), consumer, event)


@dead_letters.command()
@click.argument("consumer")
@event_option
@click.confirmation_option(prompt="They are gone for good then. Go on?")
@data_option
@config_option
def drop(consumer: str, event: int | None, data: Path, config: Path | None) -> None:
    """Give up all dead letters of CONSUMER, or one."""
    from server.outbox.admin import drop as drop_letters

    drop_letters(installed(data, config), consumer, event)


@admin.group()
def media() -> None:
    """Pictures that nobody may show again."""


@media.command("block")
@click.argument("picture")
@click.option("--note", default="", help="Why, for whoever looks later.")
@data_option
@config_option
def block_picture(picture: str, note: str, data: Path, config: Path | None) -> None:
    """Refuse whatever looks like PICTURE: a PDQ hash in hexadecimal, or the id of a picture that came in."""
    from server.media.blocking import block

    block(installed(data, config), picture, note)


@media.command("unblock")
@click.argument("picture")
@data_option
@config_option
def unblock_picture(picture: str, data: Path, config: Path | None) -> None:
    """Refuse it no longer."""
    from server.media.blocking import unblock

    unblock(installed(data, config), picture)
