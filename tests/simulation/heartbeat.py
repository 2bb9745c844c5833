"""The server's end of a connection keeps time: pings, and an end for who takes nothing and says nothing (4112)."""

import asyncio
from collections.abc import Callable

from protocol.session import Ping

ACK_WITHIN_S = 10.0


class Heartbeat:
    """A ping every so often, with `u`, the last number written; ten seconds after one it wants an ack of any age.

    As server/connection.py, but for short intervals: pings go on while an ack is awaited. `under_way` tells how much
    the client has not taken: if it took something, that counts as well as an ack.
    """

    def __init__(self, ping: Callable[[Ping], None], under_way: Callable[[], int], give_up: Callable[[], None]) -> None:
        self.u = 0
        self.heard = False
        self._ping = ping
        self._under_way = under_way
        self._give_up = give_up
        self._next: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None

    def start(self, every_s: float, u: int) -> None:
        self.u = u
        self._next = asyncio.get_running_loop().call_later(every_s, self._beat, every_s)

    def stop(self) -> None:
        for timer in (self._next, self._due):
            if timer:
                timer.cancel()

    def _beat(self, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._due is None:
            self.heard = False
            self._due = loop.call_later(ACK_WITHIN_S, self._expect, self._under_way())
        self._ping(Ping(self.u))
        self._next = loop.call_later(every_s, self._beat, every_s)

    def _expect(self, unsent: int) -> None:
        self._due = None
        if not self.heard and self._under_way() >= unsent:
            self._give_up()
