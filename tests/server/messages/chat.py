"""A conversation in Postgres, and a hand on what pushes for its messages depend on."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from persistence.conversations.postgres import PostgresConversations
from persistence.messages.postgres import PostgresMessagePushes
from persistence.pool import SCANNING, Pool, open_pool
from protocol.events import MessageSent
from protocol.facts import Said
from protocol.ids import ConversationId, UserId
from protocol.pushes import Content
from protocol.shares import Share
from tests.contracts.grounds import opened, said, unit

_people = itertools.count(1)


class Chat:
    """Ann has opened a conversation with Ben and with whoever else; Ben has a device."""

    def __init__(self, pool: Pool, scans: Pool) -> None:
        self.pool = pool
        self.store = PostgresMessagePushes(pool, scans)
        self._conversations = PostgresConversations(pool)

    async def begin(self, *, group: str | None = None) -> None:
        self.ann, self.ben, self.cyd = [await self.person(name) for name in ("Ann", "Ben", "Cyd")]
        await self.follow_each_other(self.ann, self.ben, self.cyd)
        if group is None:
            self.id = await opened(self._conversations, self.ann, self.ben)
        else:
            cid = f"a group {self.ann}"
            made = await self._conversations.create(self.ann, cid, [self.ben, self.cyd], group, 0, allowed=True)
            assert made
            self.id = made.event.conversation
        await self.registers(self.ben)

    async def opens(self, one: UserId, other: UserId) -> ConversationId:
        await self.follow_each_other(one, other)
        return await opened(self._conversations, one, other)

    async def person(self, name: str) -> UserId:
        number = next(_people)
        id = (number << 33) + (number % 8192 << 10)
        await self.pool.execute(
            "insert into account (id, username, name) values ($1, $2, $3)", id, f"{name}{number}", name
        )
        return UserId(str(id))

    async def follow_each_other(self, *people: UserId) -> None:
        """So that what one says to another is no request."""
        edges = [(int(one), int(other)) for one in people for other in people if one != other]
        statement = "insert into follow (follower, followee) values ($1, $2) on conflict do nothing"
        await self.pool.executemany(statement, edges)

    async def registers(self, user: UserId) -> None:
        await self.pool.execute(
            "insert into device (id, user_id, login, platform, address) values ($1, $1, 1, 'fcm', $2)", int(user), user
        )

    async def says(
        self,
        text: str = "hello",
        *,
        by: UserId | None = None,
        mentions: tuple[UserId, ...] = (),
        share: Share | UnsetType = UNSET,
    ) -> MessageSent:
        """A durable message, by Ann."""
        sender = by or self.ann
        at = await self._conversations.activate(self.id, [sender], [], None)
        assert at
        fact = said(self.id, at.last_c + 1, sender, text=text)
        assert isinstance(fact.event, MessageSent)
        event = msgspec.structs.replace(fact.event, mentions=mentions or UNSET, share=share)
        assert await self._conversations.commit([unit(at, Said(event, 0))], wait=True) == ["committed"]
        return event

    async def member(self, user: UserId, **columns: Any) -> None:
        """Change somebody's membership."""
        for name, value in columns.items():
            await self.pool.execute(
                f"update member set {name} = $3 where conversation = $1 and user_id = $2",
                int(self.id),
                int(user),
                value,
            )

    async def relates(self, user: UserId, kind: str, target: UserId) -> None:
        await self.pool.execute(
            "insert into relation (user_id, kind, target) values ($1, $2, $3)", int(user), kind, int(target)
        )

    async def pushed_c(self, user: UserId) -> int:
        c: int = await self.pool.fetchval(
            "select pushed_c from member where conversation = $1 and user_id = $2", int(self.id), int(user)
        )
        return c

    async def jobs(self, user: UserId) -> list[dict[str, Any]]:
        """What waits for somebody, the oldest first; `content` decoded, `hold_s` until it is due, when written."""
        rows = await self.pool.fetch(
            "select *, extract(epoch from due_at - at)::float as hold_s from push_job where user_id = $1 order by id",
            int(user),
        )
        return [dict(row) | {"content": msgspec.msgpack.decode(row["body"], type=Content)} for row in rows]


@asynccontextmanager
async def chat(url: str, *, group: str | None = None) -> AsyncIterator[Chat]:
    """One in the database at that URL."""
    async with open_pool(url, 3) as pool, open_pool(url, 1, settings=SCANNING) as scans:
        one = Chat(pool, scans)
        await one.begin(group=group)
        yield one
        pool.terminate()
        scans.terminate()


def place_of(id: ConversationId, c: int) -> str:
    """The key of the job for a message."""
    return f"message:{id}:{c}"
