"""Who may see whom, for somebody who talks to many: it has to be quick, and as quick whatever the answer is."""

from time import perf_counter

import asyncpg

from persistence.pool import open_pool
from persistence.presence.contract import Looking
from persistence.presence.postgres import PostgresSights
from protocol.ids import UserId

ME, FIRST, CONVERSATIONS, OTHERS = 1 << 40, 1 << 41, 1_000, 200
WITHIN_S = 0.05


async def test_two_hundred_people_are_looked_up_for_a_member_of_a_thousand_groups(database: str) -> None:
    await _fill(database)
    friends = [UserId(str(FIRST + number)) for number in range(OTHERS)]
    strangers = [UserId(str(FIRST + 5_000 + number)) for number in range(OTHERS)]
    async with open_pool(database, 1) as pool:
        sights, me = PostgresSights(pool), UserId(str(ME))
        took = {}
        for name, others in (("friends", friends), ("strangers", strangers)):
            times = []
            for _ in range(7):
                begun = perf_counter()
                found = await sights.sights([Looking(me, dict.fromkeys(others))])
                times.append(perf_counter() - begun)
            assert {sight.seen for sight in found[me].values()} == {name == "friends"}
            took[name] = min(times)
    assert max(took.values()) < WITHIN_S, took


async def _fill(url: str) -> None:
    """Groups of mine with twenty members each; whoever is a stranger has as many without me."""
    rows = []
    for conversation in range(CONVERSATIONS):
        rows.append((conversation, ME, "member"))
        for place in range(20):
            rows.append((conversation, FIRST + (conversation * 20 + place) % 2_000, "member"))
            rows.append((CONVERSATIONS + conversation, FIRST + 5_000 + (conversation * 20 + place) % 2_000, "member"))
    connection = await asyncpg.connect(url)
    await connection.copy_records_to_table("member", columns=("conversation", "user_id", "role"), records=rows)
    await connection.close()
