"""The graph in Postgres. A change is one short transaction: lock, read, decide, write."""

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from persistence.cursors import cursor, read_cursor
from persistence.graph import rows
from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, VIA, Deed, GraphRefusal, Names, Others
from persistence.graph.decision import Relationship, activities, counted, decide, grown, shown
from persistence.graph.statements import (
    ALONE,
    APPLY,
    FENCE,
    FOLLOWED,
    MINE_FIRST,
    OTHERS,
    PAGES,
    PROFILE,
    PROFILE_NAMED,
    RELATED,
    RELATIONSHIP,
    SET_PRIVATE,
    SUGGESTED,
    THEIRS_FIRST,
    WAITING,
)
from persistence.pool import Pool, fetch, transaction
from protocol.graph import People, Relation, Suggested
from protocol.ids import ConversationId, Millis, UserId
from protocol.people import Profile

WITHIN_S = 3.0
"""How long one call may take, the wait for a connection included."""


class PostgresGraph:
    """`GraphStore` on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def change(self, me: UserId, them: UserId, deed: Deed) -> Relation | GraphRefusal:
        async with transaction(self._pool, WITHIN_S) as connection:
            await connection.execute(MINE_FIRST if int(me) < int(them) else THEIRS_FIRST, int(me), int(them))
            [row] = await connection.fetch(RELATIONSHIP, int(me), int(them))
            before, now = rows.relationship(row)
            after = decide(before, deed)
            if before is None or not isinstance(after, Relationship):
                return "absent" if isinstance(after, Relationship) else after
            if after != before:
                if await _is_full(connection, me, grown(before, after)):
                    return "full"
                await connection.execute(APPLY, *_difference(me, them, before, after, now))
        return shown(them, after)

    async def fence(self, me: UserId, them: UserId) -> list[ConversationId]:
        found = await fetch(self._pool, WITHIN_S, FENCE, int(me), int(them))
        return [ConversationId(str(row["id"])) for row in found]

    async def relation(self, me: UserId, them: UserId) -> Relation | None:
        [row] = await fetch(self._pool, WITHIN_S, RELATIONSHIP, int(me), int(them))
        relationship, _ = rows.relationship(row)
        return None if relationship is None or relationship.barred else shown(them, relationship)

    async def page(self, me: UserId, names: Names, before: str | None, limit: int) -> People:
        at, id = read_cursor(before)
        return _page(await fetch(self._pool, WITHIN_S, PAGES[names], int(me), at, id, limit + 1), limit)

    async def others(
        self, viewer: UserId, user: UserId, names: Others, before: str | None, limit: int
    ) -> People | None:
        at, id = read_cursor(before)
        found = await fetch(self._pool, WITHIN_S, OTHERS[names], int(viewer), int(user), at, id, limit + 1)
        return _page([row for row in found if row["id"] is not None], limit) if found else None

    async def suggestions(self, me: UserId, limit: int) -> list[Suggested]:
        return [rows.suggested(row) for row in await fetch(self._pool, WITHIN_S, SUGGESTED, int(me), VIA, limit)]

    async def profile(self, viewer: UserId, id: UserId) -> Profile | None:
        found = await fetch(self._pool, WITHIN_S, PROFILE, int(viewer), int(id))
        return rows.profile(found[0]) if found else None

    async def profile_named(self, viewer: UserId, username: str) -> Profile | None:
        found = await fetch(self._pool, WITHIN_S, PROFILE_NAMED, int(viewer), username)
        return rows.profile(found[0]) if found else None

    async def set_private(self, me: UserId, private: bool) -> tuple[UserId, ...]:
        async with transaction(self._pool, WITHIN_S) as connection:
            await connection.execute(ALONE, int(me))
            await connection.execute(SET_PRIVATE, int(me), private)
            if private:
                return ()
            waiting = await connection.fetch(WAITING, int(me), ACCEPTED_AT_ONCE)
            if waiting:
                await connection.execute(APPLY, *_acceptance(me, waiting))
        return tuple(UserId(str(row["follower"])) for row in waiting)


def _page(found: list[asyncpg.Record], limit: int) -> People:
    people = [rows.person(row) for row in found[:limit]]
    if len(found) <= limit:
        return People(people)
    return People(people, cursor(found[limit - 1][0], people[-1].user))


async def _is_full(connection: "PoolConnectionProxy[asyncpg.Record]", me: UserId, names: Names | None) -> bool:
    if names is None:
        return False
    limit = LIMITS[names]
    if names == "following":
        return bool(await connection.fetchval(FOLLOWED, int(me), limit) >= limit)
    return bool(await connection.fetchval(RELATED, int(me), names, limit) >= limit)


def _difference(me: UserId, them: UserId, before: Relationship, after: Relationship, now: Millis) -> list[object]:
    was, becomes = (rows.relations_between(me, them, relationship) for relationship in (before, after))
    fenced = ("block" in before.mine) != ("block" in after.mine)
    return rows.arguments(
        rows.changed_edges(me, them, before, after),
        becomes - was,
        was - becomes,
        activities(me, them, before, after, now),
        counted(me, them, before, after),
        (me, them) if fenced else None,
    )


def _acceptance(me: UserId, waiting: list[asyncpg.Record]) -> list[object]:
    followers = [UserId(str(row["follower"])) for row in waiting]
    now = Millis(waiting[0][0])
    before, after = Relationship(back="requested"), Relationship(back="accepted")
    told = [activity for them in followers for activity in activities(me, them, before, after, now)]
    counts = [count for them in followers for count in counted(me, them, before, after)]
    return rows.arguments([(them, me, "accepted") for them in followers], (), (), told, counts, None)
