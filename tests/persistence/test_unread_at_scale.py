"""Somebody who says much where nobody answers, and never says that they have read it."""

import json
from typing import Any

import asyncpg

from persistence.badge import EVENTS, unread
from persistence.conversations import statements
from persistence.conversations.postgres import PostgresConversations
from persistence.conversations.views import EVENTS_EACH, UNREAD_WITHIN
from persistence.pool import open_pool
from protocol.codec import MSGPACK
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from tests.persistence.plans import plan, work

ME, OTHER = UserId("1024"), UserId("2048")
ID = ConversationId(str(2**40))
LAST_C, ANSWERS = 20_000, (1, 9_000, 15_000)


async def test_unread_messages_are_counted_without_a_walk_through_all_that_the_reader_said(database: str) -> None:
    await _fill(database)
    async with open_pool(database, 1) as pool:
        conversation = await PostgresConversations(pool).get(ME, ID)
        assert conversation is not None
        assert conversation.unread == sum(c > LAST_C - UNREAD_WITHIN for c in ANSWERS)
        explain = f"explain (analyze, timing off, format json) {statements.SEEN}"
        found = json.loads(await pool.fetchval(explain, int(ME), [int(ID)], [None], EVENTS_EACH + 1))
    assert _events_read(found[0]["Plan"]) <= 2 + UNREAD_WITHIN


async def test_the_count_of_an_icon_looks_at_few_events_where_nobody_answers(database: str) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        statement = f"select {unread('u.id')} from (select $1::bigint) u (id)"
        await plan(one, "asked", statement, int(ME))
        await _fill(database)
        assert await one.fetchval(statement, int(ME)) == 0
        assert EVENTS < await work(one, "asked", int(ME)) < EVENTS + 20


def _events_read(plan: dict[str, Any]) -> int:
    """Rows of the log that this plan looked at."""
    below = sum(_events_read(part) for part in plan.get("Plans", ()))
    if plan.get("Relation Name") != "event":
        return below
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    return below + int(read * plan["Actual Loops"])


async def _fill(url: str) -> None:
    events = []
    for c in range(1, LAST_C + 1):
        sender = OTHER if c in ANSWERS else ME
        event = MessageSent(conversation=ID, c=c, sender=sender, cid=f"cid {c}", at=Millis(c), text="hello")
        events.append((int(ID), c, int(sender), event.cid, 1, 0, MSGPACK.encode(event)))
    connection = await asyncpg.connect(url)
    for table, columns, rows in (
        ("conversation", ("id", "kind", "low", "high", "last_c", "at"), [(int(ID), "direct", 1024, 2048, LAST_C, 1)]),
        ("member", ("conversation", "user_id", "role"), [(int(ID), int(user), "member") for user in (ME, OTHER)]),
        ("event", ("conversation", "c", "sender", "cid", "kind", "digest", "body"), events),
    ):
        await connection.copy_records_to_table(table, columns=columns, records=rows)
    await connection.close()
