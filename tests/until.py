"""Waiting for what nobody tells: looking until it is so."""

import asyncio
from collections.abc import Callable

WITHIN_S = 15.0


async def until(
    condition: Callable[[], bool], within_s: float = WITHIN_S, *, blocks: bool = False, every_s: float = 0.01
) -> None:
    """Return when it holds; one that `blocks` is asked in a thread. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (await asyncio.to_thread(condition) if blocks else condition()):  # noqa: ASYNC110
            await asyncio.sleep(every_s)
