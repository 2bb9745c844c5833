"""notifications: activities through the whole stack, from the outbox to groups in the list, each counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from time import monotonic, time
from typing import ClassVar

import asyncpg
import msgspec

from bench.database import folded, grouped, put_in_outbox, waiting_in_outbox
from bench.measure import Figure, Measured, Meter
from bench.stage import Progress, Stage
from protocol.activity import Activity
from protocol.ids import Millis, UserId

POSTS = 5
AT_ONCE = 2_000
AHEAD = 20_000
"""So many at most wait in the outbox: what is measured is the way through, not a pile."""

LOOK_S = 0.2
STUCK_S = 60.0


class Notifications(msgspec.Struct, frozen=True):
    """`events` likes of five posts of each of `people`, no two of one person: so many groups, all as large.

    They are put into the outbox as fast as they are folded. At the end each has to be in exactly one group.
    """

    events: int = 1_000_000
    people: int = 10_000

    name: ClassVar[str] = "notifications"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = True

    def users_for(self, nodes: int) -> int:
        return self.people

    def quick(self) -> Notifications:
        return msgspec.structs.replace(self, events=min(self.events, 50_000), people=min(self.people, 1_000))

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        connection = await asyncpg.connect(stage.database)
        try:
            meter, begun = Meter(stage.nodes, stage.stores, stage.buses), monotonic()
            await self._publish(connection, stage, progress)
            await self._await_folded(connection, progress)
            figures, seconds = meter.per("event", self.events), monotonic() - begun
            figures.append(Figure("events folded", "1/s", self.events / seconds, "higher"))
            return Measured(figures, faults=await self._miscounted(connection), notes={"took": f"{seconds:.0f} s"})
        finally:
            await connection.close()

    async def _publish(self, connection: asyncpg.Connection, stage: Stage, progress: Progress) -> None:
        likes = self._likes([UserId(user.user) for user in stage.users])
        published = 0
        while some := list(islice(likes, AT_ONCE)):
            await put_in_outbox(connection, [msgspec.msgpack.encode(like) for like in some])
            published += len(some)
            progress("publishing", published, self.events)
            await self._not_ahead(connection)

    async def _not_ahead(self, connection: asyncpg.Connection) -> None:
        moved, fewest = monotonic(), AHEAD * 1_000
        while (waiting := await waiting_in_outbox(connection)) > AHEAD:
            moved, fewest = (monotonic(), waiting) if waiting < fewest else (moved, fewest)
            if monotonic() - moved > STUCK_S:
                raise TimeoutError(f"{waiting} events wait in the outbox and nothing moves")
            await asyncio.sleep(LOOK_S)

    def _likes(self, users: list[UserId]) -> Iterator[Activity]:
        """One like for each person before the second for any of them."""
        for number in range(self.events):
            turn, place = divmod(number, len(users))
            actor = users[(place + 1 + turn) % len(users)]
            target = str(1 + place * POSTS + turn % POSTS)
            at = Millis(int(time() * 1_000))
            yield Activity(kind="like", actor=actor, recipient=users[place], target=target, at=at)

    async def _await_folded(self, connection: asyncpg.Connection, progress: Progress) -> None:
        moved, most = monotonic(), -1
        while (count := await folded(connection)) < self.events or await waiting_in_outbox(connection):
            moved, most = (monotonic(), count) if count > most else (moved, most)
            if monotonic() - moved > STUCK_S:
                return
            progress("folding", count, self.events)
            await asyncio.sleep(LOOK_S)

    async def _miscounted(self, connection: asyncpg.Connection) -> list[str]:
        """What is not as it has to be."""
        groups, actors = await grouped(connection)
        due = min(self.people * POSTS, self.events)
        counted = {"groups": (groups, due), "people in groups": (actors, self.events)}
        return [f"{name}: {is_} instead of {due}" for name, (is_, due) in counted.items() if is_ != due]
