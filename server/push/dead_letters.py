"""What an operator does about pushes: see what waits and what is dead, and have it tried anew."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console
from rich.table import Table

from persistence.pool import open_pool
from persistence.push.contract import Listed
from persistence.push.postgres import PostgresPush
from server.reach import reaching_postgres


async def show(url: str, state: Literal["waiting", "dead"], limit: int, console: Console) -> None:
    """Print them as a table. Raises SettingError when the database cannot be reached."""
    with reaching_postgres():
        async with open_pool(url, 1) as pool:
            store = PostgresPush(pool)
            rows, waiting = await store.listed(state, limit), await store.waiting()
    if state == "waiting":
        counts = ", ".join(f"{count:,} {provider}" for provider, count in waiting.items() if count)
        console.print(f"waiting: {counts or 'nothing'}")
    elif not rows:
        console.print("no push is dead")
    if rows:
        console.print(_table(rows, "due" if state == "waiting" else "died"))


async def replay(url: str, ids: Collection[int] | None, limit: int, life_s: int) -> int:
    """Have these, or the oldest, tried anew; how many. Raises SettingError when the database cannot be reached."""
    with reaching_postgres():
        async with open_pool(url, 1) as pool:
            return await PostgresPush(pool).replay(ids, limit, life_s * 1_000)


def _table(rows: Sequence[Listed], at: str) -> Table:
    table = Table("id", "user", "provider", "kind", "attempts", "caused", at, "last error", box=None)
    for row in rows:
        times = _time(row.at), _time(row.due_at)
        table.add_row(
            str(row.id),
            row.user,
            row.provider,
            row.kind,
            str(row.attempts),
            *times,
            (row.error or "–").translate(_SAFE),
        )
    return table


_SAFE = dict.fromkeys(range(32), " ") | {ord("["): "("}
"""What a provider said moves no cursor and sets no style."""


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
