"""`tidings admin media`: pictures that nobody may show again, straight in Postgres, whether nodes run or not."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from config.settings import Settings
from persistence.media.likeness import PostgresLikeness
from persistence.pool import open_pool
from protocol.media import MediaId
from server.reach import reaching_postgres

T = TypeVar("T")

_HASH = re.compile("[0-9a-fA-F]{64}")
_ID = re.compile("[1-9][0-9]{0,17}|[1-8][0-9]{18}")


def block(settings: Settings, named: str, note: str) -> None:
    """Refuse whatever looks like this picture from now on: a PDQ hash, or the id of a picture that was processed."""
    hash = _hash_of(settings, named)
    if _asked(settings, lambda likeness: likeness.block(hash, note)):
        click.echo(f"{hash.hex()} is blocked: what looks like it is refused from now on; what is shown already stays")
    else:
        click.echo(f"{hash.hex()} is blocked already")


def unblock(settings: Settings, named: str) -> None:
    """Refuse it no longer."""
    hash = _hash_of(settings, named)
    gone = _asked(settings, lambda likeness: likeness.unblock(hash))
    click.echo(f"{hash.hex()} is blocked no longer" if gone else f"{hash.hex()} was not blocked")


def _hash_of(settings: Settings, named: str) -> bytes:
    if _HASH.fullmatch(named):
        return bytes.fromhex(named)
    if not _ID.fullmatch(named):
        raise click.ClickException(f"{named!r} is neither a PDQ hash of 64 hexadecimal digits nor the id of a picture.")
    hash = _asked(settings, lambda likeness: likeness.hash_of(MediaId(named)))
    if hash is None:
        raise click.ClickException(f"Picture {named} is not there, not processed yet, or too plain to be known again.")
    return hash


def _asked(settings: Settings, ask: Callable[[PostgresLikeness], Awaitable[T]]) -> T:
    async def run() -> T:
        with reaching_postgres():
            async with open_pool(str(settings.postgres.url), 1) as pool:
                return await ask(PostgresLikeness(pool))

    return asyncio.run(run())
