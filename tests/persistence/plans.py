"""What statements cost: the rows that their plans handle. No clock, so the answer is the same on every machine."""

import json
from collections.abc import Sequence
from typing import Any

from persistence.pool import Pool


async def plan(one: Pool, name: str, statement: str, *arguments: object) -> None:
    """Have a statement planned, and run it, on a pool of one connection: it keeps this plan, as it would in a node."""
    await one.execute(f"prepare {name} as {statement}")
    await one.execute(_execution(name, arguments))


async def work(one: Pool, name: str, *arguments: object) -> int:
    """Run it by its plan; how many rows the plan's steps handled in all, those that they threw away included."""
    explained = await one.fetchval(f"explain (analyze, timing off, format json) {_execution(name, arguments)}")
    return round(_rows(json.loads(explained)[0]["Plan"]))


def _rows(step: dict[str, Any]) -> float:
    handled: float = step["Actual Rows"] + sum(rows for key, rows in step.items() if key.startswith("Rows Removed by"))
    loops: float = step["Actual Loops"]
    return handled * loops + sum(map(_rows, step.get("Plans", ())))


def _execution(name: str, arguments: Sequence[object]) -> str:
    return f"execute {name} ({', '.join(map(_literal, arguments))})" if arguments else f"execute {name}"


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case list():
            return f"'{{{','.join('null' if part is None else str(part) for part in value)}}}'"
        case _:
            return f"'{value}'"
