"""What a stranger asks about costs what it would if it did not exist: the row of their membership comes first."""

from collections.abc import Callable

import pytest

from persistence.conversations import statements
from persistence.conversations.postgres import PostgresConversations
from persistence.conversations.views import EVENTS_EACH
from persistence.pool import open_pool
from protocol.ids import UserId
from tests.contracts.grounds import opened, said, unit
from tests.persistence.plans import plan, work

ADA, BEN, EVE = UserId("1024"), UserId("2048"), UserId("4096")
MESSAGES = 200
FEW = 10
"""Rows handled; the conversation that is asked about has twenty times as many."""

ASKED: dict[str, tuple[str, Callable[[int], tuple[object, ...]]]] = {
    "fence": (statements.FENCE, lambda id: (id, [int(EVE)])),
    "find": (statements.FIND, lambda id: (id, [int(EVE)] * 2, ["cid 1", "cid 2"])),
    "seen": (statements.SEEN, lambda id: (int(EVE), [id], [0], EVENTS_EACH + 1)),
    "changed": (statements.CHANGED, lambda id: (int(EVE), [id], [0], 0, True, 0)),
    "behind": (statements.BEHIND, lambda id: (int(EVE), [id], [9])),
    "history forwards": (statements.FORWARDS, lambda id: (int(EVE), id, 1, 2**53, 101)),
    "history backwards": (statements.BACKWARDS, lambda id: (int(EVE), id, 1, 2**53, 101)),
}


@pytest.mark.parametrize("named", ASKED)
async def test_a_foreign_conversation_takes_as_many_rows_as_one_that_does_not_exist(database: str, named: str) -> None:
    statement, arguments = ASKED[named]
    async with open_pool(database, 1) as one:
        await plan(one, "asked", statement, *arguments(7))
        store = PostgresConversations(one)
        foreign = await opened(store, ADA, BEN)
        at = await store.activate(foreign, [ADA], [], None)
        assert at is not None
        await store.commit([unit(at, *(said(foreign, c, ADA) for c in range(1, MESSAGES + 1)))], wait=True)
        absent = int(foreign) ^ 1 << 5
        assert await work(one, "asked", *arguments(int(foreign))) == await work(one, "asked", *arguments(absent)) < FEW
