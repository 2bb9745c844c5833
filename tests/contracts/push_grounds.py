"""The stores of devices and pushes under test, with people who have them, and time that can pass."""

import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from persistence.people.contract import NewAccount, ProfileChange, Refresh, SignedIn
from persistence.people.postgres import PostgresPeople
from persistence.pool import Pool, open_pool
from persistence.push.contract import Push, PushStore
from persistence.push.devices import DeviceStore, Target
from persistence.push.memory import MemoryDevices, MemoryPush
from persistence.push.postgres import PostgresDevices, PostgresPush
from protocol.ids import EPOCH, LoginId, Millis, UserId
from protocol.pushes import Content

HELLO = Content("Ada", "hello", "New message", 3, True)
HOUR_MS = 3_600_000

_numbers = itertools.count(1)


def a_push(user: UserId, key: str = "k", **more: object) -> Push:
    fields: dict[str, object] = {"kind": "message", "collapse": "c", "content": HELLO, "life_ms": HOUR_MS}
    return Push(user=user, key=key, **(fields | more))  # type: ignore[arg-type]


def a_token() -> Target:
    return Target("apns", f"{next(_numbers):064x}")


class PushGround(Protocol):
    """`devices` and `pushes` are what the tests judge."""

    @property
    def devices(self) -> DeviceStore: ...

    @property
    def pushes(self) -> PushStore: ...

    async def person(self, email: str | None = None) -> SignedIn: ...

    async def sign_in(self, user: UserId) -> LoginId: ...

    async def revoke(self, signed_in: SignedIn) -> None: ...

    async def notify(self, user: UserId, notification: str) -> None:
        """A notification that is not seen."""

    async def pass_ms(self, ms: int) -> None: ...


class MemoryPushGround:
    def __init__(self) -> None:
        self._now = Millis(EPOCH + 1_000_000)
        self._logins: dict[LoginId, UserId] = {}
        self._emails: dict[UserId, str | None] = {}
        self.devices = MemoryDevices(self.now, lambda user, login: self._logins.get(login) == user)
        self.pushes = MemoryPush(self.now, self.devices, self._emails.get)

    def now(self) -> Millis:
        return self._now

    async def person(self, email: str | None = None) -> SignedIn:
        user = UserId(str(next(_numbers)))
        self._emails[user] = email
        return SignedIn(user, await self.sign_in(user))

    async def sign_in(self, user: UserId) -> LoginId:
        login = LoginId(str(next(_numbers)))
        self._logins[login] = user
        return login

    async def revoke(self, signed_in: SignedIn) -> None:
        del self._logins[signed_in.login]

    async def notify(self, user: UserId, notification: str) -> None:
        """What would be shown in vain is the test's to say."""

    async def pass_ms(self, ms: int) -> None:
        self._now = Millis(self._now + ms)


class PostgresPushGround:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.people = PostgresPeople(pool)
        self.devices = PostgresDevices(pool)
        self.pushes = PostgresPush(pool)

    async def person(self, email: str | None = None) -> SignedIn:
        signed_in = await self.people.sign_up(NewAccount(f"ada{next(_numbers)}", None), _refresh(), None)
        assert signed_in is not None
        await self.people.change(signed_in.user, ProfileChange(email=email))
        return signed_in

    async def sign_in(self, user: UserId) -> LoginId:
        return (await self.people.sign_in(user, _refresh(), None)).login

    async def revoke(self, signed_in: SignedIn) -> None:
        await self.people.revoke(signed_in.user, signed_in.login)

    async def notify(self, user: UserId, notification: str) -> None:
        columns = "id, user_id, kind, members, opened_at, updated_at"
        statement = f"insert into notification ({columns}) values ($1, $2, 'like', 1, 0, 0)"
        await self.pool.execute(statement, int(notification), int(user))

    async def pass_ms(self, ms: int) -> None:
        for table, columns in (
            ("push_job", ("at", "due_at", "expires_at")),
            ("push_delivery", ("due_at",)),
            ("device", ("registered_at",)),
        ):
            moved = ", ".join(f"{column} = {column} - $1 * interval '1 ms'" for column in columns)
            await self.pool.execute(f"update {table} set {moved}", ms)


@asynccontextmanager
async def push_ground(url: str | None) -> AsyncIterator[PushGround]:
    """In memory without a URL; nobody's pushes are in it."""
    if url is None:
        yield MemoryPushGround()
        return
    async with open_pool(url, 4) as pool:
        await pool.execute("delete from push_delivery; delete from push_job")
        yield PostgresPushGround(pool)


def _refresh() -> Refresh:
    family, secret = (hashlib.sha256(b"%d" % next(_numbers)).digest() for _ in range(2))
    return Refresh(family, secret)
