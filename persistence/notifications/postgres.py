"""Notifications in Postgres: whoever decides about somebody holds that person's row of `notifier` locked."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from persistence.notifications import rows, statements
from persistence.notifications.contract import (
    KEEP_MS,
    KEEP_UNDONE_MS,
    SAMPLED,
    TRIMMED,
    Closed,
    Due,
    Page,
    Reader,
    Sight,
    Touched,
    key_of,
)
from persistence.pool import Pool, always, fetch, transaction
from protocol.activity import Activity
from protocol.groups import Changes, Known, Noted
from protocol.ids import Millis, UserId
from protocol.preferences import Preferences, PreferencesChange, Relation, changed

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

WITHIN_S = 3.0
"""How long one question may take, the wait for a connection included."""
DECIDING_S = 8.0
"""The same for what takes several statements."""
TRIES = 3
"""How often an id may be taken that was just drawn."""
_END = (2**62, 2**62)


class PostgresNotifications:
    """`NotificationStore` on a pool of connections."""

    def __init__(self, pool: Pool, may: Callable[[], bool] = always) -> None:
        """`may`: whether this node may ask and write at all, asked before each transaction."""
        self._pool = pool
        self._may = may

    async def fold(self, events: Sequence[tuple[int, Activity]], decide: Callable[[Touched], Changes]) -> None:
        for left in reversed(range(TRIES)):
            try:
                async with transaction(self._pool, DECIDING_S, self._may) as connection:
                    await _fold(connection, events, decide)
                return
            except asyncpg.UniqueViolationError:
                # Two ids that are drawn in one millisecond may be the same.
                if not left:
                    raise

    async def close(self, limit: int, decide: Callable[[Due], Closed]) -> int:
        found = await self._rows(statements.DUE, limit)
        users = sorted({user for _, user in found})
        if not users:
            return 0
        async with transaction(self._pool, DECIDING_S, self._may) as connection:
            held = {row[0] for row in await connection.fetch(statements.HOLD_FREE, users)}
            due = [id for id, user in found if user in held]
            sights = [rows.sight(row) for row in await connection.fetch(statements.DUE_SIGHTS, SAMPLED, due)]
            read = await connection.fetch(statements.READERS, sorted(held))
            if not sights:
                return 0
            readers = {rows.user(row[1]): Reader(rows.preferences(row[2]), row[3], row[4], row[5]) for row in read}
            closed = decide(Due(Millis(read[0][0]), readers, sights))
            await connection.execute(statements.CHANGE, *rows.group_columns(closed.groups))
            if closed.jobs:
                await connection.execute(statements.PUSH, *rows.job_columns(closed.jobs))
            return len(sights)

    async def next_due(self) -> int | None:
        ((left,),) = await self._rows(statements.NEXT_DUE)
        return None if left is None else int(left)

    async def open_windows(self) -> int:
        ((count,),) = await self._rows(statements.COUNT_DUE)
        return int(count)

    async def see(self, user: UserId, up_to: Millis) -> int | None:
        if not await self._rows(statements.SEE, int(user), up_to):
            return None
        ((badge,),) = await self._rows(statements.BADGE_OF, int(user))
        return int(badge)

    async def page(self, user: UserId, before: tuple[Millis, int] | None, limit: int) -> Page:
        found = await self._rows(statements.PAGE, SAMPLED, int(user), *(before or _END), limit)
        locale, badge = found[0][:2]
        sights = [rows.sight(row[2:]) for row in found if row[2] is not None]
        last = sights[-1].group if len(sights) == limit else None
        return Page(
            locale,
            badge,
            [sight for sight in sights if sight.members],
            (last.updated_at, last.id) if last else None,
        )

    async def sights(self, groups: Collection[int]) -> tuple[list[Sight], dict[UserId, str | None]]:
        found = [rows.sight(row) for row in await self._rows(statements.SIGHTS, SAMPLED, list(groups))]
        users = sorted({int(sight.group.user) for sight in found})
        return found, {rows.user(row[0]): row[1] for row in await self._rows(statements.LOCALES, users)}

    async def preferences(self, user: UserId) -> Preferences:
        found = await self._rows(statements.PREFERENCES, int(user))
        return rows.preferences(found[0][0] if found else None)

    async def prefer(self, user: UserId, change: PreferencesChange) -> Preferences:
        async with transaction(self._pool, DECIDING_S, self._may) as connection:
            ((_, body),) = await _hold(connection, [int(user)])
            preferences = changed(rows.preferences(body), change)
            await connection.execute(statements.PREFER, int(user), rows.encode_preferences(preferences))
        return preferences

    async def trim(self) -> int:
        deeds = await self._rows(statements.TRIM_DEEDS, KEEP_MS, TRIMMED)
        groups = await self._rows(statements.TRIM_GROUPS, KEEP_MS, TRIMMED)
        undone = await self._rows(statements.TRIM_UNDONE, KEEP_UNDONE_MS, TRIMMED)
        return len(deeds) + len(groups) + len(undone)

    async def _rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments, may=self._may)


async def _hold(connection: Connection, users: list[int]) -> list[asyncpg.Record]:
    """The rows of these people, in the order in which everybody locks them; whoever has none gets one."""
    held: list[asyncpg.Record] = await connection.fetch(statements.HOLD, users)
    if len(held) < len(users):
        await connection.execute(statements.ADD, users)
        held = await connection.fetch(statements.HOLD, users)
    return held


async def _fold(
    connection: Connection, events: Sequence[tuple[int, Activity]], decide: Callable[[Touched], Changes]
) -> None:
    users = sorted({int(activity.recipient) for _, activity in events})
    preferences = {row[0]: rows.preferences(row[1]) for row in await _hold(connection, users)}
    touched = await _touched(connection, events)
    for user, body in preferences.items():
        touched.known[rows.user(user)].preferences = body
    await _store(connection, decide(touched))


async def _touched(connection: Connection, events: Sequence[tuple[int, Activity]]) -> Touched:
    found = await connection.fetch(
        statements.TOUCHED,
        [int(activity.recipient) for _, activity in events],
        [activity.kind for _, activity in events],
        [activity.target for _, activity in events],
        [rows.number(activity.actor) for _, activity in events],
        [activity.deed for _, activity in events],
    )
    known = {activity.recipient: Known(Preferences(), {}, {}, {}) for _, activity in events}
    about, groups, now = [], set[int](), 0
    for (_, activity), row in zip(events, found, strict=True):
        now, event, group, undone, window, quiet_until, by_target, by_actor, paired, counts, hidden, follows, id = row
        its = known[activity.recipient]
        if event is not None:
            its.noted[key_of(activity)] = Noted(event, group, undone, window, quiet_until)
        groups.update(place for place in (group, by_target, by_actor) if place)
        for pair, count in zip(paired or (), counts or (), strict=True):
            its.pairs[pair, activity.target, activity.actor] = count
        about.append((Relation(hidden, follows), id))
    for one in await connection.fetch(statements.GROUPS, sorted(groups)):
        stored = rows.group(one)
        known[stored.user].groups[stored.id] = stored
    return Touched(Millis(now), known, about)


async def _store(connection: Connection, changes: Changes) -> None:
    if changes.opened:
        await connection.execute(statements.OPEN, *rows.group_columns(changes.opened))
    if changes.changed:
        await connection.execute(statements.CHANGE, *rows.group_columns(changes.changed))
    if changes.gone:
        await connection.execute(statements.DROP, changes.gone)
    if changes.noted:
        await connection.execute(statements.NOTE, *rows.noted_columns(changes.noted))
