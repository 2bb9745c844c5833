"""Two writers that both believe they own the same conversations: the statement decides, and nobody is hurt."""

import asyncio
import random
from collections import Counter

import asyncpg

from persistence.conversations.contract import Outcome, Unit
from persistence.conversations.postgres import PostgresConversations
from persistence.pool import open_pool
from protocol.events import MessageSent, ReceiptMoved
from protocol.facts import Marked, Said
from protocol.ids import ConversationId, Millis, UserId
from tests.contracts.grounds import opened

ME, OTHER = UserId("1024"), UserId("2048")
CONVERSATIONS, CIDS, BATCH = 20, 20, 12


class Writer:
    """Says the same cids as its rival, from heads that it never asks for before it has lost."""

    def __init__(self, store: PostgresConversations, heads: dict[ConversationId, tuple[int, int]], seed: int) -> None:
        self._store = store
        self._heads = dict(heads)
        self._random = random.Random(seed)
        self._unsaid = {id: [f"cid {n}" for n in range(CIDS)] for id in heads}
        self.outcomes: Counter[Outcome] = Counter()
        for cids in self._unsaid.values():
            self._random.shuffle(cids)

    async def say_everything(self) -> None:
        while open := [id for id, cids in self._unsaid.items() if cids]:
            chosen = self._random.sample(open, min(BATCH, len(open)))
            units = [self._unit(id) for id in chosen]
            for unit, outcome in zip(units, await self._store.commit(units, wait=False), strict=True):
                await self._learn(unit, outcome)

    def _unit(self, id: ConversationId) -> Unit:
        fence, last_c = self._heads[id]
        cids = self._unsaid[id][: self._random.randint(1, 3)]
        said = [
            Said(MessageSent(conversation=id, c=c, sender=ME, cid=cid, at=Millis(c), text=cid), 0)
            for c, cid in enumerate(cids, last_c + 1)
        ]
        moved = Marked(ReceiptMoved(id, OTHER, last_c + len(said), last_c), shown=True)
        marks = [moved] if self._random.random() < 0.3 else []
        return Unit(id, fence, last_c, (*said, *marks))

    async def _learn(self, unit: Unit, outcome: Outcome) -> None:
        self.outcomes[outcome] += 1
        said = [fact.event for fact in unit.facts if isinstance(fact, Said)]
        match outcome:
            case "committed":
                self._heads[unit.id] = unit.fence, unit.last_c + len(said)
                for event in said:
                    self._unsaid[unit.id].remove(event.cid)
            case "skipped":
                (later,) = await self._store.commit([unit], wait=True)
                await self._learn(unit, later)
            case "lost" | "known":
                state = await self._store.activate(unit.id, [ME], [(ME, event.cid) for event in said], None)
                assert state
                # The rival is told nothing: with the fence of before, only the head is contested.
                fence = state.fence - self._random.randint(0, 1)
                self._heads[unit.id] = fence, state.last_c
                for known in state.known:
                    self._unsaid[unit.id].remove(known.cid)


async def test_two_committers_on_the_same_conversations_leave_no_gap_and_no_repeat(durable_database: str) -> None:
    """A commit that waits for the disk holds its conversations so long that the other one meets them held."""
    async with open_pool(durable_database, 1) as one, open_pool(durable_database, 1) as two:
        stores = [PostgresConversations(pool) for pool in (one, two)]
        heads = {}
        for n in range(CONVERSATIONS):
            id = await opened(stores[0], ME, UserId(str(4096 + n)))
            heads[id] = (0, 0)
        writers = [Writer(store, heads, seed) for seed, store in enumerate(stores)]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.say_everything())
    outcomes = writers[0].outcomes + writers[1].outcomes
    assert outcomes.keys() == {"committed", "lost", "known", "skipped"}
    connection = await asyncpg.connect(durable_database)
    rows = await connection.fetch(
        """select k.last_c, count(*) as events, max(e.c) as highest, count(distinct e.cid) as cids
        from conversation k join event e on e.conversation = k.id group by k.id"""
    )
    await connection.close()
    assert len(rows) == CONVERSATIONS
    assert {tuple(row) for row in rows} == {(CIDS, CIDS, CIDS, CIDS)}
