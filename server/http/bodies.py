"""Reading a body part by part, for as long as it comes fast enough.

`Pace` says for how long it is waited for; each part lengthens that. So any `stall_s` have to bring about what the
slowest line brings, and a burst at the beginning buys no more patience than that. While all places of a node are taken
(`server.uploads.places`) it has to be a better line: whoever is slower makes room, and goes on from where the upload
stands when there is some.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from server.uploads.receiving import BodyEnded

LEAST_PER_S = 1_024
"""Bytes a second, of the slowest line; what this server takes to store them does not count."""
CROWDED_PER_S = 32_768
"""The same while somebody else may be waiting for a place."""


class Pace:
    """For how long a body may be waited for still: `left_s`, at first and at most `stall_s`."""

    def __init__(self, stall_s: float) -> None:
        self._most_s = stall_s
        self.left_s = stall_s

    def brought(self, size: int, waited_s: float, *, crowded: bool) -> None:
        """So many bytes have come, after so many seconds."""
        earned_s = size / (CROWDED_PER_S if crowded else LEAST_PER_S)
        self.left_s = min(self._most_s, self.left_s - waited_s + earned_s)


async def parts_of(request: web.Request, stall_s: float, crowded: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The body as it comes. Raises BodyEnded when it breaks off, or nothing comes for `stall_s`, or too little."""
    time, pace = asyncio.get_running_loop().time, Pace(stall_s)
    while True:
        begun = time()
        try:
            async with asyncio.timeout(pace.left_s):
                part = await request.content.readany()
        except TimeoutError:
            raise BodyEnded(slow=True, crowded=crowded()) from None
        except (web.RequestPayloadError, ConnectionError):
            raise BodyEnded(slow=False) from None
        if not part:
            return
        pace.brought(len(part), time() - begun, crowded=crowded())
        yield part
