"""A scan of a long log of which little is new: what it costs is what is new, not what is there."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from persistence.conversations import statements
from persistence.conversations.contract import Unit
from persistence.conversations.postgres import PostgresConversations
from persistence.conversations.views import EVENTS_A_SCAN, RECEIPTS_UP_TO
from persistence.pool import SCANNING, Pool, open_pool
from protocol.events import ReceiptMoved
from protocol.facts import Marked
from protocol.ids import ConversationId, UserId
from tests.contracts.grounds import opened
from tests.persistence.plans import plan, work

CONVERSATIONS, EACH, WENT_ON = 20_000, 10, 500
HALF_OF_THE_SHARDS = "\\x" + "55" * 1_024

SINCE = 1_000_000_000_000
ASKED: dict[str, tuple[str, tuple[object, ...]]] = {
    "heard": (statements.HEARD, (SINCE * 1_000, 0, 0, HALF_OF_THE_SHARDS, EVENTS_A_SCAN)),
    "moved": (statements.MOVED, (SINCE, HALF_OF_THE_SHARDS, RECEIPTS_UP_TO)),
    "undelivered": (statements.UNDELIVERED, (SINCE, SINCE + 1_000_000, HALF_OF_THE_SHARDS)),
}
ROWS = 40
"""Handled for each conversation that went on: 5 to 27. There are 80 members and 400 events for each."""

FILL = f"""
insert into member (conversation, user_id, role, state_at)
select 1024 * n, u, 'member', to_timestamp({SINCE / 1_000}) - interval '1 hour'
from generate_series(1, {CONVERSATIONS}) n, lateral (values (1024 * n), (1024 * n + 1024)) u (u);
insert into event (conversation, c, sender, digest, stored_at, kind, cid, body)
select 1024 * n, c, 1024 * n, 0, to_timestamp({SINCE / 1_000}) - (11 - c) * interval '1 hour', 1, 'cid ' || c,
  decode(repeat('7e', 100), 'hex')
from generate_series(1, {EACH}) c, generate_series(1, {CONVERSATIONS}) n;
select brin_summarize_new_values('event_stored_at'), brin_summarize_new_values('member_state_at');
update member set state_at = to_timestamp({SINCE / 1_000}), read_c = 11 where conversation <= 1024 * {WENT_ON};
insert into event (conversation, c, sender, digest, stored_at, kind, cid, body)
select 1024 * n, {EACH} + 1, 1024 * n, 0, to_timestamp({SINCE / 1_000}), 1, 'cid', decode(repeat('7e', 100), 'hex')
from generate_series(1, {WENT_ON}) n;"""


@pytest.fixture
async def one(database: str) -> AsyncIterator[Pool]:
    """One connection as scans have it."""
    async with open_pool(database, 1, settings=SCANNING) as pool:
        yield pool


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    await connection.close()


async def test_a_scan_walks_through_neither_the_log_nor_all_members(database: str, one: Pool) -> None:
    """Also before the tables were ever analyzed, by a connection that asked when they were empty."""
    for name, (statement, arguments) in ASKED.items():
        await plan(one, name, statement, *arguments)
    await _fill(database)
    new = {name: await work(one, name, *arguments) for name, (_, arguments) in ASKED.items()}
    await one.execute("analyze event, member")
    later = {name: await work(one, name, *arguments) for name, (_, arguments) in ASKED.items()}
    assert max(*new.values(), *later.values()) < ROWS * WENT_ON
    assert min(*new.values(), *later.values()) > WENT_ON


async def test_marks_stay_on_their_page_although_an_index_knows_when_they_moved(database: str) -> None:
    me, other = UserId("1024"), UserId("2048")
    moves = 20
    async with open_pool(database, 1) as pool:
        store = PostgresConversations(pool)
        at = await store.activate(await opened(store, me, other), [me], [], None)
        assert at
        for _ in range(moves):
            moved = Marked(ReceiptMoved(ConversationId(at.id), me, 0, 0), shown=True)
            assert await store.commit([Unit(at.id, at.fence, 0, (moved,))], wait=True) == ["committed"]
        await pool.execute("select pg_stat_force_next_flush()")
        updates = await pool.fetchrow(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'member'"
        )
    assert updates is not None
    assert tuple(updates) == (moves, moves)
