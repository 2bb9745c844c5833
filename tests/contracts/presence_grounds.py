"""The stores of presence under test, and a hand on what lies below."""

from typing import Protocol

from persistence.pool import Pool
from persistence.presence.contract import SightStore
from persistence.presence.memory import MemorySights
from persistence.presence.postgres import PostgresSights
from protocol.ids import ConversationId, Millis, UserId

NOW = Millis(1_795_219_200_000)


class SightGround(Protocol):
    """`store` is what the tests judge; the rest is how people came to be related."""

    @property
    def store(self) -> SightStore: ...

    async def account(self, user: UserId) -> None: ...

    async def talk(self, conversation: ConversationId, *accepted: UserId) -> None:
        """A conversation of these, who have all accepted it."""

    async def leave(self, conversation: ConversationId, user: UserId, *, folder: str = "inbox") -> None:
        """It is over for them; or, in another folder, they have not accepted it yet."""

    async def follow(self, follower: UserId, followee: UserId) -> None: ...

    async def block(self, user: UserId, target: UserId) -> None: ...


class MemorySightGround:
    def __init__(self) -> None:
        self.store = MemorySights(lambda: NOW)

    async def account(self, user: UserId) -> None:
        """Everybody exists."""

    async def talk(self, conversation: ConversationId, *accepted: UserId) -> None:
        self.store.members[conversation] = set(accepted)

    async def leave(self, conversation: ConversationId, user: UserId, *, folder: str = "inbox") -> None:
        self.store.members[conversation].discard(user)

    async def follow(self, follower: UserId, followee: UserId) -> None:
        self.store.follows.add((follower, followee))

    async def block(self, user: UserId, target: UserId) -> None:
        self.store.blocks[user, target] = NOW


class PostgresSightGround:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.store = PostgresSights(pool)

    async def account(self, user: UserId) -> None:
        await self._pool.execute("insert into account (id, username) values ($1, $2)", int(user), f"u{user}")

    async def talk(self, conversation: ConversationId, *accepted: UserId) -> None:
        await self._pool.executemany(
            "insert into member (conversation, user_id, role) values ($1, $2, 'member')",
            [(int(conversation), int(user)) for user in accepted],
        )

    async def leave(self, conversation: ConversationId, user: UserId, *, folder: str = "inbox") -> None:
        await self._pool.execute(
            "update member set left_c = $3, folder = $4 where conversation = $1 and user_id = $2",
            int(conversation),
            int(user),
            5 if folder == "inbox" else 0,
            folder,
        )

    async def follow(self, follower: UserId, followee: UserId) -> None:
        await self._pool.execute(
            "insert into follow (follower, followee) values ($1, $2)", int(follower), int(followee)
        )

    async def block(self, user: UserId, target: UserId) -> None:
        await self._pool.execute(
            "insert into relation (user_id, kind, target) values ($1, 'block', $2)", int(user), int(target)
        )
