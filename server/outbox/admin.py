"""`tidings admin outbox` and `tidings admin dead-letters`: straight from Postgres, whether nodes run or not."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from config.settings import Settings
from persistence.outbox.contract import DeadLetter, Lag, OutboxStore
from persistence.outbox.postgres import PostgresOutbox
from persistence.pool import open_pool
from protocol.ids import Millis
from server.outbox.watch import MOST_COUNTED
from server.reach import reaching_postgres

LAST = 2**63 - 1
WIDE = 1_000
"""Columns for a reader that is no terminal: a line for each row."""

T = TypeVar("T")


def show_lag(settings: Settings) -> None:
    """Print how far each consumer is behind."""
    lags = _asked(settings, lambda store: store.lag(MOST_COUNTED))
    if not lags:
        click.echo("no consumer has registered yet: events wait for a node that has one, a day at most")
        return
    _print(lag_table(lags))


def show_dead_letters(settings: Settings, consumer: str | None, most: int) -> None:
    """Print the latest of them, at most that many."""
    letters = _asked(settings, lambda store: store.dead_letters(consumer, most))
    if not letters:
        click.echo("there are no dead letters" + (f" of {consumer}" if consumer else ""))
        return
    _print(dead_letter_table(letters))
    if len(letters) == most:
        click.echo(f"the latest {most}: --limit shows more")


def replay(settings: Settings, consumer: str, id: int | None) -> None:
    """Have that one, or all of the consumer, handled again."""
    count = _each(settings, consumer, id, lambda store: store.replay)
    click.echo(f"{count} to be handled again: within seconds by the nodes that run")


def drop(settings: Settings, consumer: str, id: int | None) -> None:
    """Give that one, or all of the consumer, up for good."""
    click.echo(f"{_each(settings, consumer, id, lambda store: store.drop)} given up")


def lag_table(lags: Sequence[Lag]) -> Table:
    """One row for each consumer."""
    table = Table()
    for word in ("topic", "consumer", "waiting", "under way", "oldest", "dead letters"):
        table.add_column(word, justify="left" if word in ("topic", "consumer") else "right", overflow="fold")
    for lag in lags:
        behind = f"{lag.oldest_ms / 1_000:.1f} s" if lag.waiting or lag.under_way else "–"
        table.add_row(lag.topic, lag.consumer, _count(lag.waiting), _count(lag.under_way), behind, _count(lag.dead))
    return table


def dead_letter_table(letters: Sequence[DeadLetter]) -> Table:
    """One row for each. What was said in an event is not shown, only how long it is."""
    table = Table()
    for word in ("consumer", "event", "happened", "died", "attempts", "bytes", "error"):
        table.add_column(word, justify="right" if word in ("attempts", "bytes") else "left", overflow="fold")
    for letter in letters:
        event = letter.event
        row = (event.id, _time(event.at), _time(letter.died_at), letter.attempts, len(event.body))
        table.add_row(letter.consumer, *map(str, row), letter.error)
    return table


def _each(
    settings: Settings,
    consumer: str,
    id: int | None,
    deed: Callable[[OutboxStore], Callable[[str, int, int], Awaitable[list[int]]]],
) -> int:
    """In the order of ids, so that what dies again meanwhile is not met again. Raises click.ClickException for none."""

    async def all_of(store: OutboxStore) -> int:
        count, after = 0, 0 if id is None else id - 1
        while ids := await deed(store)(consumer, after, LAST if id is None else id):
            count, after = count + len(ids), ids[-1]
        return count

    if count := _asked(settings, all_of):
        return count
    which = "no dead letters" if id is None else f"no dead letter {id}"
    raise click.ClickException(f"{consumer} has {which}: `tidings admin dead-letters list` shows what there is.")


def _asked(settings: Settings, question: Callable[[OutboxStore], Awaitable[T]]) -> T:
    async def ask() -> T:
        with reaching_postgres():
            async with open_pool(str(settings.postgres.url), 1) as pool:
                return await question(PostgresOutbox(pool))

    return asyncio.run(ask())


def _print(table: Table) -> None:
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table, markup=False, highlight=False)


def _count(number: int) -> str:
    return f"{number:,}+" if number == MOST_COUNTED else f"{number:,}"


def _time(at: Millis) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
