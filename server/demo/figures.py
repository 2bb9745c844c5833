"""What the last ten seconds were like, seen from the simulated people, as a live table."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

WINDOW_S = 10.0
HEADS = (
    *("online", "messages/s", "ack p50", "ack p99", "sent", "arrived"),
    *("posts", "likes", "comments", "stories", "seen", "reconnects"),
)


class Figures:
    """Counted by the people, shown by `show`."""

    def __init__(self) -> None:
        self.online = 0
        self.sent = self.arrived = self.reconnects = 0
        self.posts = self.likes = self.comments = self.stories = self.seen = 0
        self._acks: deque[tuple[float, float]] = deque()

    def acked(self, took: float) -> None:
        """A message was acknowledged after so many seconds."""
        now = time.monotonic()
        self.sent += 1
        self._acks.append((now, took))
        while self._acks and self._acks[0][0] < now - WINDOW_S:
            self._acks.popleft()

    def row(self) -> tuple[str, ...]:
        """Under `HEADS`."""
        took = sorted(took for at, took in self._acks if at > time.monotonic() - WINDOW_S)
        p50, p99 = (_percentile(took, share) for share in (0.5, 0.99))
        counts = (self.sent, self.arrived, self.posts, self.likes, self.comments, self.stories, self.seen)
        return (
            *(str(self.online), f"{len(took) / WINDOW_S:.1f}", p50, p99),
            *map(str, counts),
            str(self.reconnects),
        )


def _percentile(values: Sequence[float], share: float) -> str:
    return f"{values[min(int(len(values) * share), len(values) - 1)] * 1000:.1f} ms" if values else "–"


async def show(console: Console, figures: Figures, page: str) -> None:
    """A live table on a terminal, a line every five seconds elsewhere."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(5)
            console.print(", ".join(f"{head} {value}" for head, value in zip(HEADS, figures.row(), strict=True)))
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            table = Table(*HEADS, caption=f"{page} – Ctrl-C ends it all")
            table.add_row(*figures.row())
            live.update(table)
            await asyncio.sleep(0.5)
