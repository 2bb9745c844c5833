"""The notification stores under test, and a hand on what lies below: accounts, relations, time that passes."""

import itertools
from collections.abc import Iterable
from typing import Protocol

import asyncpg
import msgspec

from persistence.notifications.contract import NotificationStore
from persistence.notifications.memory import MemoryNotifications, Tables
from persistence.notifications.postgres import PostgresNotifications
from persistence.outbox.contract import Event
from protocol.activity import Activity, Kind
from protocol.ids import EPOCH, Millis, UserId
from protocol.pushes import Content
from server.notifications.closing import Closing
from server.notifications.folding import Folding
from server.notifications.zones import offset_at

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS

_numbers = itertools.count(1)


class NotificationGround(Protocol):
    """`store` is what the tests judge."""

    @property
    def store(self) -> NotificationStore: ...

    async def sign_up(self, user: UserId, username: str, name: str | None = None, locale: str | None = None) -> None:
        """Somebody has an account."""

    async def relate(self, user: UserId, kind: str, target: UserId) -> None:
        """One person has decided something about another, or with `follow` follows them."""

    async def comment(self, author: UserId, text: str) -> tuple[str, str]:
        """Somebody has said something of a post of their own; that, and the comment."""

    async def archive(self, post: str) -> None:
        """Nobody else may see it any more."""

    async def pass_ms(self, ms: int) -> None:
        """Time passes."""

    async def jobs(self, user: UserId) -> list[tuple[str, Content]]:
        """Keys and contents of the pushes asked for, in the order of their keys."""

    async def rows(self, user: UserId) -> tuple[int, int]:
        """How many groups, and how many deeds, are kept of somebody."""


class MemoryNotificationGround:
    def __init__(self) -> None:
        self._time = Millis(EPOCH + 40_000_000_000)
        self._tables = Tables()
        self.store = MemoryNotifications(lambda: self._time, self._tables)

    async def sign_up(self, user: UserId, username: str, name: str | None = None, locale: str | None = None) -> None:
        self._tables.accounts[user] = username, name, locale

    async def relate(self, user: UserId, kind: str, target: UserId) -> None:
        if kind == "follow":
            self._tables.follows.add((user, target))
        else:
            self._tables.relations.add((user, kind, target))

    async def comment(self, author: UserId, text: str) -> tuple[str, str]:
        return str(next(_numbers)), str(next(_numbers))

    async def archive(self, post: str) -> None:
        self._tables.hidden.add(post)

    async def pass_ms(self, ms: int) -> None:
        self._time = Millis(self._time + ms)

    async def jobs(self, user: UserId) -> list[tuple[str, Content]]:
        mine = [(job.key, job.body) for job in self._tables.jobs.values() if job.user == user]
        return sorted((key, msgspec.msgpack.decode(body, type=Content)) for key, body in mine)

    async def rows(self, user: UserId) -> tuple[int, int]:
        known = self.store._known(user)
        return len(known.groups), len(known.noted)


class PostgresNotificationGround:
    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self.store = PostgresNotifications(pool)

    async def sign_up(self, user: UserId, username: str, name: str | None = None, locale: str | None = None) -> None:
        settings = msgspec.json.encode({"locale": locale} if locale else {}).decode()
        await self._pool.execute(
            "insert into account (id, username, name, settings) values ($1, $2, $3, $4)",
            int(user),
            username,
            name,
            settings,
        )

    async def relate(self, user: UserId, kind: str, target: UserId) -> None:
        if kind == "follow":
            await self._pool.execute("insert into follow (follower, followee) values ($1, $2)", int(user), int(target))
        else:
            statement = "insert into relation (user_id, kind, target) values ($1, $2, $3)"
            await self._pool.execute(statement, int(user), kind, int(target))

    async def comment(self, author: UserId, text: str) -> tuple[str, str]:
        post, id = next(_numbers), next(_numbers)
        await self._pool.execute(
            """insert into post (id, author, cid, digest, state)
            values ($1::bigint, $2, $1::bigint::text, '', 'published')""",
            post,
            int(author),
        )
        await self._pool.execute(
            """insert into comment (id, post, author, cid, digest, text, told, mentioned)
            values ($1::bigint, $2, $3, $1::bigint::text, '', $4, '{}', '{}')""",
            id,
            post,
            int(author),
            text,
        )
        return str(post), str(id)

    async def archive(self, post: str) -> None:
        await self._pool.execute("update post set state = 'archived' where id = $1", int(post))

    async def pass_ms(self, ms: int) -> None:
        """The clock cannot be moved, so all that is stored moves into the past, ids included."""
        await self._pool.execute(
            "update notification set id = id - ($1::bigint << 23), opened_at = opened_at - $1,"
            " updated_at = updated_at - $1, due_at = due_at - $1",
            ms,
        )
        await self._pool.execute(
            "update noted set notification = case when notification = 0 then 0 else notification - ($1::bigint << 23)"
            " end, quiet_until = greatest(0, quiet_until - $1), at = at - $1 * interval '1 ms'",
            ms,
        )

    async def jobs(self, user: UserId) -> list[tuple[str, Content]]:
        found = await self._pool.fetch("select key, body from push_job where user_id = $1 order by key", int(user))
        return [(row["key"], msgspec.msgpack.decode(row["body"], type=Content)) for row in found]

    async def rows(self, user: UserId) -> tuple[int, int]:
        groups = await self._pool.fetchval("select count(*) from notification where user_id = $1", int(user))
        deeds = await self._pool.fetchval("select count(*) from noted where recipient = $1", int(user))
        return int(groups), int(deeds)


class Desk:
    """A store with what folds and closes, as a node has it; `told` are the groups that devices would hear of."""

    def __init__(self, store: NotificationStore) -> None:
        self.store = store
        self.told: list[tuple[UserId, int]] = []
        self.folding = Folding(store, offset_at, self._told, lambda: None)
        self.closing = Closing(store, offset_at)

    def _told(self, groups: object) -> None:
        assert isinstance(groups, dict)
        self.told += [(user, id) for user, ids in groups.items() for id in ids]

    async def fold(self, *events: Event) -> None:
        await self.folding(events)

    async def close(self) -> float:
        """Close every window that is over; in how many seconds the next look is due."""
        return await self.closing.look()


def event(done: Activity, id: int | None = None) -> Event:
    """As it comes from the outbox; the number is the next one unless it is given."""
    return Event(next(_numbers) if id is None else id, done.at, msgspec.msgpack.encode(done))


def deed(
    actor: UserId,
    recipient: UserId,
    target: str = "post",
    kind: Kind = "like",
    *,
    undone: bool = False,
    name: str = "",
    text: str = "",
) -> Activity:
    return Activity(
        kind=kind, actor=actor, recipient=recipient, target=target, deed=name, at=Millis(0), undone=undone, text=text
    )


def likes(actors: Iterable[UserId], recipient: UserId, target: str = "post") -> list[Event]:
    return [event(deed(actor, recipient, target)) for actor in actors]
