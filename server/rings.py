"""The budget of one node for replay rings: past it those who hold the most hold less."""

import asyncio
from collections.abc import Iterable

from actors.effects import user_address
from actors.user import User
from actors.user_commands import Shed
from server.host import Host

EVERY_S = 1.0


async def keep_rings_within(host: Host, budget: int) -> None:
    """Serve until cancelled; between two looks, a second apart, rings may grow past `budget` bytes."""
    while True:
        await asyncio.sleep(EVERY_S)
        shed(host, budget)


def shed(host: Host, budget: int) -> None:
    """Have the largest rings cut to one size with which all of them together hold no more than `budget` bytes."""
    users = [actor for actor in host.population.actors("user") if isinstance(actor, User)]
    if (most := level((user.ring_bytes for user in users), budget)) is None:
        return
    for user in users:
        if user.ring_bytes > most:
            host.tell(user_address(user.id), Shed(most), activate=False)


def level(sizes: Iterable[int], budget: int) -> int | None:
    """The most that each may have so that all have `budget` at most; None when they have no more as it is."""
    rest, ascending = budget, sorted(sizes)
    for place, size in enumerate(ascending):
        share = rest // (len(ascending) - place)
        if size > share:
            return share
        rest -= size
    return None
