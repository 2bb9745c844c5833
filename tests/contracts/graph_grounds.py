"""The graphs under test, with people to relate and a look at what was told of them."""

import itertools
from collections.abc import Iterable
from random import Random
from typing import Protocol

import msgspec

from persistence.conversations.contract import ConversationStore
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from persistence.conversations.postgres import PostgresConversations
from persistence.graph.contract import GraphStore, Kind
from persistence.graph.memory import GraphTables, MemoryGraph
from persistence.graph.postgres import PostgresGraph
from persistence.people.contract import NewAccount, PeopleStore, Refresh
from persistence.people.memory import MemoryPeople
from persistence.people.postgres import PostgresPeople
from persistence.pool import Pool
from protocol.activity import ACTIVITY, Activity
from protocol.ids import Millis, UserId
from tests.contracts.grounds import START

numbers = itertools.count(1)


class GraphGround(Protocol):
    """`store` is what the tests judge."""

    store: GraphStore
    people: PeopleStore
    conversations: ConversationStore

    async def told(self, *concerned: UserId) -> list[Activity]:
        """The activities between these people, in their order."""

    async def follow_many(self, follower: UserId, followees: Iterable[int]) -> None:
        """Edges that no deed made, to people without accounts."""

    async def relate_many(self, user: UserId, kind: Kind, targets: Iterable[int]) -> None: ...

    async def request_many(self, followers: Iterable[UserId], followee: UserId) -> None: ...


async def person(ground: GraphGround, name: str | None = None) -> UserId:
    """Somebody new."""
    number = next(numbers)
    refresh = Refresh(b"family %d" % number, b"secret")
    signed_in = await ground.people.sign_up(NewAccount(f"person{number}", None, name), refresh, None)
    assert signed_in is not None
    return signed_in.user


class MemoryGraphGround:
    def __init__(self) -> None:
        self._time = START
        database = Database(self._now)
        people = MemoryPeople(self._now, Random(1))
        self._tables = GraphTables(people.accounts)
        self.people: PeopleStore = people
        self.conversations: ConversationStore = MemoryConversations(database)
        self.store: GraphStore = MemoryGraph(database, self._tables)

    def _now(self) -> Millis:
        """Time goes on from statement to statement, as it does in Postgres."""
        self._time = Millis(self._time + 1)
        return self._time

    async def told(self, *concerned: UserId) -> list[Activity]:
        return _among(self._tables.outbox, concerned)

    async def follow_many(self, follower: UserId, followees: Iterable[int]) -> None:
        for followee in followees:
            self._tables.edges[follower, UserId(str(followee))] = "following", START

    async def relate_many(self, user: UserId, kind: Kind, targets: Iterable[int]) -> None:
        for target in targets:
            self._tables.relations[user, kind, UserId(str(target))] = START

    async def request_many(self, followers: Iterable[UserId], followee: UserId) -> None:
        for follower in followers:
            self._tables.edges[follower, followee] = "requested", START


class PostgresGraphGround:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.people: PeopleStore = PostgresPeople(pool)
        self.conversations: ConversationStore = PostgresConversations(pool)
        self.store: GraphStore = PostgresGraph(pool)

    async def told(self, *concerned: UserId) -> list[Activity]:
        rows = await self._pool.fetch("select body from outbox where topic = $1 order by id", ACTIVITY)
        return _among([msgspec.msgpack.decode(row["body"], type=Activity) for row in rows], concerned)

    async def follow_many(self, follower: UserId, followees: Iterable[int]) -> None:
        await self._pool.execute(
            "insert into follow (follower, followee) select $1, unnest($2::bigint[])", int(follower), list(followees)
        )

    async def relate_many(self, user: UserId, kind: Kind, targets: Iterable[int]) -> None:
        await self._pool.execute(
            "insert into relation (user_id, kind, target) select $1, $2, unnest($3::bigint[])",
            int(user),
            kind,
            list(targets),
        )

    async def request_many(self, followers: Iterable[UserId], followee: UserId) -> None:
        await self._pool.execute(
            "insert into follow (follower, followee, requested) select unnest($1::bigint[]), $2, true",
            [int(follower) for follower in followers],
            int(followee),
        )


def _among(activities: list[Activity], concerned: tuple[UserId, ...]) -> list[Activity]:
    return [told for told in activities if told.actor in concerned and told.recipient in concerned]
