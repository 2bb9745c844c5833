"""Whether, when and where to connect again (wire contract §1 and §8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .closing import MOVED, Advice, Then, full_jitter, read_close, stopped_by
from .effects import Connect
from .errors import Stopped

MOVED_IN_A_ROW: Final = 3


class Reconnect:
    """Counts what went wrong since things last went well. `random` gives [0, 1)."""

    def __init__(self, random: Callable[[], float], *, follow: bool) -> None:
        self.stale_token = False
        self.retry_ms: int | None = None
        self._random = random
        self._follow = follow
        self._attempts = 0
        self._faults = 0
        self._moved = 0

    @property
    def follow(self) -> bool:
        """Whether hello asks to be sent to the home node; after three moves in a row it asks to be relayed."""
        return self._follow and self._moved < MOVED_IN_A_ROW

    def welcomed(self) -> None:
        """hello was accepted."""
        self._moved = 0

    def replayed(self) -> None:
        """A session came up whole: the next loss is a first one."""
        self._attempts = 0

    def fault(self) -> None:
        """The server's messages made no sense. Counted apart: a replay that always ends so must not be hammered."""
        self._faults += 1

    def pinged(self) -> None:
        """A connection has lived for a while without a fault."""
        self._faults = 0

    def after(self, code: int | None, reason: str, *, greeting: bool) -> Connect | Stopped:
        """What follows the end of a connection, or of an attempt (`code` None). `greeting`: hello had no answer yet."""
        advice = read_close(code, reason)
        if advice.then is Then.STOP:
            return stopped_by(code or 0)
        self.stale_token = self.stale_token or advice.then is Then.FRESH_TOKEN
        url = None
        if code == MOVED:
            self._moved += 1
            url = advice.url if self.follow else None
        at_once = url is not None and greeting
        delay, self.retry_ms = self._delay(advice, at_once=at_once), None
        self._attempts += not at_once
        return Connect(delay, url, self.stale_token)

    def _delay(self, advice: Advice, *, at_once: bool) -> int:
        if advice.retry_ms is not None:
            return advice.retry_ms
        if self.retry_ms is not None:
            return self.retry_ms
        return 0 if at_once else full_jitter(max(self._attempts, self._faults), self._random)
