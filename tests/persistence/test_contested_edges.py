"""Many who act on the same few people at once, on a real Postgres: what no order of their deeds allows never stands."""

import asyncio
import random
from collections import Counter

import asyncpg
import msgspec

from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, Deed
from persistence.graph.postgres import PostgresGraph
from persistence.people.contract import NewAccount, Refresh
from persistence.people.postgres import PostgresPeople
from persistence.pool import open_pool
from protocol.activity import Activity
from protocol.ids import UserId

PEOPLE, ACTORS, DEEDS = 4, 12, 120
CHANCES: dict[Deed, int] = {
    "follow": 12,
    "unfollow": 3,
    "accept": 6,
    "decline": 2,
    "remove": 2,
    "block": 2,
    "unblock": 6,
    "befriend": 4,
}

BETWEEN_THE_BLOCKED = """
select count(*) from relation b where b.kind = 'block' and (
  exists (select from follow f where (f.follower, f.followee) in ((b.user_id, b.target), (b.target, b.user_id)))
  or exists (select from relation r where (r.kind = 'close_friend' or r.user_id = b.target and r.kind = 'block')
    and (r.user_id, r.target) in ((b.user_id, b.target), (b.target, b.user_id))))"""
FOLLOWED = "insert into follow (follower, followee) select $1, n from generate_series(1, $2) n"
EDGES = "select follower, followee, requested, accepted from follow"
PUBLIC_AND_ASKED = """
select count(*) from follow f join account a on a.id = f.followee where f.requested and not a.private"""


async def test_no_order_of_deeds_leaves_an_edge_between_the_blocked_or_a_wrong_outbox(database: str) -> None:
    async with open_pool(database, ACTORS) as pool:
        people = [await _sign_up(PostgresPeople(pool), n) for n in range(PEOPLE)]
        graph = PostgresGraph(pool)
        async with asyncio.TaskGroup() as group:
            for seed in range(ACTORS):
                group.create_task(_act(graph, people, random.Random(seed)))
        assert await pool.fetchval(BETWEEN_THE_BLOCKED) == 0
        assert await pool.fetchval(PUBLIC_AND_ASKED) == 0
        edges = await pool.fetch(EDGES)
        bodies = await pool.fetch("select body from outbox order by id")
    assert _balance(bodies) == _standing(edges)


async def test_a_list_of_somebodys_people_shows_nothing_from_after_their_block(database: str) -> None:
    block_and_win = """
    with blocked as (insert into relation (user_id, kind, target) values ($1, 'block', $2))
    insert into follow (follower, followee) values ($3, $1)"""
    async with open_pool(database, 1) as pool:
        ada, ben, early, late = [await _sign_up(PostgresPeople(pool), n) for n in range(4)]
        graph = PostgresGraph(pool)
        await graph.change(early, ada, "follow")
        # Whoever waits for the one connection is served in turn, for one statement.
        connection = await pool.acquire()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(graph.others(ben, ada, "followers", None, 10))
            group.create_task(pool.execute(block_and_win, int(ada), int(ben), int(late)))
            await pool.release(connection)
        page = asked.result()
        assert page is not None
        assert [one.user for one in page.items] == [early]
        assert await graph.others(ben, ada, "followers", None, 10) is None


async def test_blocking_against_following_leaves_no_edge(database: str) -> None:
    async with open_pool(database, 8) as pool:
        people = [await _sign_up(PostgresPeople(pool), n) for n in range(40)]
        graph = PostgresGraph(pool)
        pairs = list(zip(people[::2], people[1::2], strict=True))
        deeds: list[Deed] = ["block", "follow", "befriend"]
        await asyncio.gather(
            *(graph.change(one, other, deed) for one, other in pairs for deed in deeds),
            *(graph.change(other, one, deed) for one, other in pairs for deed in deeds),
        )
        assert await pool.fetchval("select count(*) from relation where kind = 'block'") == len(pairs)
        assert await pool.fetchval("select count(*) from follow") == 0
        assert await pool.fetchval(BETWEEN_THE_BLOCKED) == 0


async def test_a_full_list_stays_as_long_as_it_may_be_however_many_add_to_it_at_once(database: str) -> None:
    async with open_pool(database, 8) as pool:
        me, *others = [await _sign_up(PostgresPeople(pool), n) for n in range(21)]
        await pool.execute(FOLLOWED, int(me), LIMITS["following"] - 5)
        graph = PostgresGraph(pool)
        answers = await asyncio.gather(*(graph.change(me, other, "follow") for other in others))
        assert Counter(answer == "full" for answer in answers) == {True: 15, False: 5}


async def _sign_up(people: PostgresPeople, number: int) -> UserId:
    signed_in = await people.sign_up(NewAccount(f"person{number}"), Refresh(b"%d" % number, b""), None)
    assert signed_in is not None
    return signed_in.user


async def _act(graph: PostgresGraph, people: list[UserId], chance: random.Random) -> None:
    for _ in range(DEEDS):
        me, them = chance.sample(people, 2)
        if chance.random() < 0.08:
            while len(await graph.set_private(me, chance.random() < 0.5)) == ACCEPTED_AT_ONCE:
                pass
        else:
            [deed] = chance.choices(list(CHANCES), list(CHANCES.values()))
            await graph.change(me, them, deed)


def _balance(bodies: list[asyncpg.Record]) -> Counter[tuple[str, str, str]]:
    """What the outbox says stands: each activity is taken back once at most, and never before it was told."""
    standing: Counter[tuple[str, str, str]] = Counter()
    for row in bodies:
        activity = msgspec.msgpack.decode(row["body"], type=Activity)
        told = activity.kind, activity.actor, activity.recipient
        standing[told] += -1 if activity.undone else 1
        assert standing[told] in (0, 1), activity
    return +standing


def _standing(edges: list[asyncpg.Record]) -> Counter[tuple[str, str, str]]:
    """What the edges say was told and stands."""
    standing: Counter[tuple[str, str, str]] = Counter()
    for row in edges:
        follower, followee = str(row["follower"]), str(row["followee"])
        standing["follow_request" if row["requested"] else "follow", follower, followee] += 1
        if row["accepted"]:
            standing["follow_accepted", followee, follower] += 1
    return standing
