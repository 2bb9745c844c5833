"""A client that was away, with two thousand conversations, of which a hundred went on."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from msgspec import UNSET

from persistence.conversations import statements
from persistence.conversations.postgres import PostgresConversations
from persistence.conversations.views import EVENTS_EACH
from persistence.pool import open_pool
from protocol.codec import JSON, MSGPACK
from protocol.conversations import Conversation
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import SyncPage
from tests.persistence.plans import plan, work

ME = UserId("1024")
CONVERSATIONS, CHANGED, BEFORE, NEW, NAMED = 2_000, 100, 5, 20, 1_000
IDS = [ConversationId(str(2**40 + 1_024 * n)) for n in range(CONVERSATIONS)]
WENT_ON = set(IDS[:: CONVERSATIONS // CHANGED])

_NUMBERS = [int(id) for id in IDS[:NAMED]]
ASKED: dict[str, tuple[object, ...]] = {
    statements.CHANGED: (int(ME), _NUMBERS, [BEFORE] * NAMED, 0, False, 0),
    statements.BEHIND: (int(ME), _NUMBERS, [BEFORE] * NAMED),
    statements.SEEN: (int(ME), _NUMBERS, [BEFORE] * NAMED, EVENTS_EACH + 1),
}
EACH = 100
"""Rows handled for each conversation named: 7 to 45. Walking through all of the user's for each takes over 1,000."""


async def test_sync_of_two_thousand_conversations_is_complete_in_pages_of_256_kib(database: str) -> None:
    now = datetime.now(UTC)
    await _fill(database, now)
    since = Millis(int((now - timedelta(minutes=30)).timestamp() * 1_000))
    async with open_pool(database, 1) as pool:
        store = PostgresConversations(pool)
        pages: list[SyncPage] = []
        for first in range(0, CONVERSATIONS, NAMED):
            heads = dict.fromkeys(IDS[first : first + NAMED], BEFORE)
            cursor = None
            while True:
                page = await store.sync(ME, heads, since, first > 0, cursor)
                pages.append(page)
                if page.cursor is UNSET:
                    break
                cursor = page.cursor
    sizes = [len(JSON.encode(page)) for page in pages]
    assert max(sizes) <= 256 * 1024 - 64
    told = [item for page in pages for item in page.conversations]
    events: dict[str, list[int]] = {}
    for item in told:
        assert isinstance(item, Conversation)
        assert item.id in WENT_ON
        if item.events is not UNSET:
            assert not item.more
            events[item.id] = [event.c for event in item.events]
    assert events == {id: list(range(BEFORE + 1, BEFORE + NEW + 1)) for id in WENT_ON}


@pytest.mark.parametrize("statement", ASKED, ids=["changed", "behind", "seen"])
async def test_what_a_conversation_costs_does_not_grow_with_how_many_one_is_in(database: str, statement: str) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        await plan(one, "asked", statement, *ASKED[statement])
        await _fill(database, datetime.now(UTC))
        assert NAMED < await work(one, "asked", *ASKED[statement]) < EACH * NAMED


async def _fill(url: str, now: datetime) -> None:
    """Everything is an hour old, but for the new messages of those that went on."""
    hour_ago = now - timedelta(hours=1)
    heads, members, events = [], [], []
    for n, id in enumerate(IDS):
        other = UserId(str(4_096 + n))
        last_c = BEFORE + NEW if id in WENT_ON else BEFORE
        stored_at = now if id in WENT_ON else hour_ago
        heads.append((int(id), "direct", int(ME), int(other), last_c, 1, hour_ago, stored_at))
        members += [(int(id), int(user), "member") for user in (ME, other)]
        for c in range(1, last_c + 1):
            event = MessageSent(
                conversation=id, c=c, sender=other, cid=f"cid of the message at {c}", at=Millis(c), text="away " * 20
            )
            events.append((int(id), c, int(other), event.cid, 1, 0, MSGPACK.encode(event), stored_at))
    connection = await asyncpg.connect(url)
    for table, columns, rows in (
        ("conversation", ("id", "kind", "low", "high", "last_c", "at", "state_at", "stored_at"), heads),
        ("member", ("conversation", "user_id", "role"), members),
        ("event", ("conversation", "c", "sender", "cid", "kind", "digest", "body", "stored_at"), events),
    ):
        await connection.copy_records_to_table(table, columns=columns, records=rows)
    await connection.close()
