"""The sweep counts what has not reached everybody in time, of the conversations of this node, and marks nothing."""

import asyncio

import pytest

from persistence.conversations.database import ConnectionLost, Point
from protocol.ids import ConversationId
from tests.contracts.grounds import marked, said
from tests.server.part import Part, with_part


async def said_to_nobody(part: Part, *, here: bool) -> ConversationId:
    """Somebody has said something in a conversation of this node or another one, and it has reached nobody."""
    one = part.at_home(here=here)
    other = type(one)(str(int(one) + 1))
    id = await part.open(one, other)
    await part.stored(id, one, said(id, 1, one))
    return id


@pytest.mark.parametrize(("after_s", "found"), [(5, 0), (25, 1), (60, 1), (90, 0)])
def test_a_message_counts_from_ten_to_seventy_seconds_after_it_was_stored(after_s: int, found: int) -> None:
    async def test(part: Part) -> None:
        await said_to_nobody(part, here=True)
        await asyncio.sleep(after_s)
        assert part.cluster.sweep.undelivered == found

    with_part(test)


def test_what_is_said_in_conversations_of_others_is_for_them_to_count() -> None:
    async def test(part: Part) -> None:
        await said_to_nobody(part, here=False)
        await asyncio.sleep(25)
        assert part.cluster.sweep.undelivered == 0

    with_part(test)


def test_what_has_reached_its_reader_does_not_count_and_counting_marks_nothing() -> None:
    async def test(part: Part) -> None:
        id = await said_to_nobody(part, here=True)
        await asyncio.sleep(25)
        (sender, reader) = part.database.tables.members[id].values()
        assert (reader.delivered_c, reader.read_c) == (0, 0)
        await part.stored(id, sender.user, marked(id, reader.user, 1))
        await asyncio.sleep(15)
        assert part.cluster.sweep.undelivered == 0

    with_part(test)


def test_a_store_that_is_away_is_asked_again() -> None:
    asked = []

    async def away(statement: str, point: Point) -> None:
        if statement == "count undelivered" and point == "before":
            asked.append(statement)
            if len(asked) == 1:
                raise ConnectionLost

    async def test(part: Part) -> None:
        await said_to_nobody(part, here=True)
        await asyncio.sleep(25)
        assert part.cluster.sweep.undelivered == 1
        assert len(asked) > 1

    with_part(test, away)
