"""From when on this node may have made something durable that it has not told: a commit whose outcome it does not know
may have been carried out long ago, and is found by whoever reads the log from then on, should this node end first."""

from collections import deque
from collections.abc import Callable

from protocol.ids import Millis


class Untold:
    """`since` is the monotonic second from which on something may be untold, None for nothing; `settled` the moment, by
    the database's clock, before which whatever was begun has ended."""

    def __init__(
        self, since: Callable[[], float | None], settled: Callable[[], Millis], now: Callable[[], float]
    ) -> None:
        self._since = since
        self._settled = settled
        self._now = now
        # What `settled` was at these seconds; the first of them lies before whatever is untold.
        self._seen: deque[tuple[float, Millis]] = deque([(now(), Millis(0))])

    def told(self) -> Millis:
        """Whatever this node made durable before that moment, by the database's clock, it has told."""
        now, settled, since = self._now(), self._settled(), self._since()
        if settled != self._seen[-1][1]:
            self._seen.append((now, settled))
        while len(self._seen) > 1 and (since is None or self._seen[1][0] <= since):
            self._seen.popleft()
        return self._seen[0][1]
