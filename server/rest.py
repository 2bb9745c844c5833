"""Passivation: now and then every actor is asked whether it may rest, a few at a time so that no turn is long."""

import asyncio

from server.host import Host

SWEEP = 1_024
EVERY_S = 0.25


async def let_rest(host: Host) -> None:
    """Serve until cancelled."""
    while True:
        activations = list(host)
        for start in range(0, len(activations), SWEEP):
            host.rest(activations[start : start + SWEEP])
            await asyncio.sleep(EVERY_S)
        await asyncio.sleep(EVERY_S)
