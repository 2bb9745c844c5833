"""One catching-up by `sync`: which request comes next, and when it is complete (wire contract §3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from .reading import Body, int_of

HEADS_PER_SYNC: Final = 1_000
_RESTARTS: Final = 3


class SyncRun:
    """A sync from the stored heads, at most 1,000 of them a request, each paged by cursor.

    All requests but the last say `only`: what changed among unnamed conversations is told once. `behind` are the
    conversations whose history must be read before this sync is complete.
    """

    def __init__(self, heads: Mapping[str, int], since: int) -> None:
        self._heads = list(heads.items())
        self._since = since
        self._restarts = 0
        self.behind: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        starts = range(0, len(self._heads), HEADS_PER_SYNC)
        self._chunks = deque(dict(self._heads[start : start + HEADS_PER_SYNC]) for start in starts) or deque([{}])
        self._cursor: Any = None
        self.now: int | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of the next request."""
        fields: dict[str, Any] = {"heads": self._chunks[0], "since": self._since}
        if len(self._chunks) > 1:
            fields["only"] = True
        if self._cursor is not None:
            fields["cursor"] = self._cursor
        return fields

    def answered(self, body: Body) -> None:
        """Turns to the next page or the next heads. `now` stays the earliest one told: nothing after it is missed."""
        now = int_of(body, "now")
        self.now = now if self.now is None else min(self.now, now)
        self._cursor = body.get("cursor")
        if self._cursor is None:
            self._chunks.popleft()

    def restart(self) -> bool:
        """The server refused a request. True if it may have been the cursor, and the sync starts over without it."""
        if self._cursor is None or self._restarts == _RESTARTS:
            return False
        self._restarts += 1
        self._begin()
        return True

    @property
    def asked_all(self) -> bool:
        """No request is left."""
        return not self._chunks
