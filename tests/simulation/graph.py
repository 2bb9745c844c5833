"""Who follows and who blocks whom: drawn for the start, and changed by people while the simulation runs."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import msgspec

from bench.checker.history import Parted
from persistence.conversations.database import ConnectionLost, Database, Transaction
from protocol.ids import ConversationId, UserId
from tests.simulation.node import Node

FOLLOWED = 0.6
EVERY_S = 8.0
"""A block, or the end of one, about so often."""


class Graph:
    """Writes edges as their store does: a block with the fences of what the two share, in one transaction."""

    def __init__(self, database: Database, seed: int, nodes: Sequence[Node], log: Callable[[Parted], None]) -> None:
        self._database = database
        self._random = Random(f"graph {seed}")
        self._nodes = nodes
        self._log = log

    def start(self, users: Sequence[UserId]) -> None:
        """Most follow each other."""
        pairs = [(one, other) for one in users for other in users if one != other]
        self._database.tables.follows |= {pair for pair in pairs if self._random.random() < FOLLOWED}

    async def quarrel(self, users: Sequence[UserId]) -> None:
        """Two people are parted by a block, or make up, again and again until cancelled."""
        while True:
            await asyncio.sleep(self._random.expovariate(1 / EVERY_S))
            low, high = sorted(self._random.sample(users, 2), key=int)
            try:
                fenced = await self._database.run("block", partial(self._turn, low, high))
            except ConnectionLost:
                continue
            if alive := [node for node in self._nodes if node.accepts and not node.process.stopped]:
                self._random.choice(alive).requests.fenced(fenced)

    async def _turn(self, low: UserId, high: UserId, transaction: Transaction) -> list[ConversationId]:
        """Nobody opens anything with the other meanwhile: that would be missing among what they share."""
        tables = transaction.tables
        await transaction.lock([(low, high)])
        shared = sorted(tables.of_user.get(low, {}).keys() & tables.of_user.get(high, {}).keys(), key=int)
        await transaction.lock(shared)
        edge = {(low, high)}
        ends = edge <= tables.blocks
        transaction.write(tables.blocks.difference_update if ends else tables.blocks.update, edge)
        transaction.write(lambda: self._log(Parted(asyncio.get_running_loop().time(), (low, high), ends)))
        for id in shared:
            head = tables.heads[id]
            transaction.write(tables.put_head, msgspec.structs.replace(head, fence=head.fence + 1))
        return shared
