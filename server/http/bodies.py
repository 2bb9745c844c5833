"""Reading a body part by part, for as long as it comes fast enough."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from server.uploads.receiving import BodyEnded

LEAST_PER_S = 1_024
"""Bytes a second, on the average; what this server takes to store them does not count."""


async def parts_of(request: web.Request, stall_s: float) -> AsyncIterator[bytes]:
    """The body as it comes. Raises BodyEnded when it breaks off, or nothing comes for `stall_s`, or too little."""
    time = asyncio.get_running_loop().time
    waited, received = 0.0, 0
    while True:
        begun = time()
        try:
            async with asyncio.timeout(min(stall_s, stall_s + received / LEAST_PER_S - waited)):
                part = await request.content.readany()
        except TimeoutError:
            raise BodyEnded(slow=True) from None
        except (web.RequestPayloadError, ConnectionError):
            raise BodyEnded(slow=False) from None
        if not part:
            return
        waited += time() - begun
        received += len(part)
        yield part
