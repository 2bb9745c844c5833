"""People in memory: for tests, and for reading what the Postgres store must do."""

from collections.abc import Callable, Collection, Sequence
from random import Random
from typing import assert_never

import msgspec
from msgspec import UNSET, Struct

from persistence.people.contract import (
    LOGINS,
    SETTINGS,
    Account,
    Login,
    NewAccount,
    ProfileChange,
    Refresh,
    Repeated,
    Reused,
    Rotated,
    Rotation,
    SignedIn,
    Successor,
)
from persistence.people.rotation import Family, judge
from protocol.ids import EPOCH, SHARDS, LoginId, Millis, UserId, shard_of
from protocol.requests import Device


class _Row(Struct):
    """A row of `login`."""

    user: UserId
    device: Device | None
    refresh: Refresh
    created_at: Millis
    last_used_at: Millis
    previous: bytes = b""
    sealed: bytes = b""
    revoked_at: Millis | None = None


class MemoryPeople:
    """The memory twin of `PeopleStore`. `now` stands for the database's clock; `accounts` is the table of that name."""

    def __init__(self, now: Callable[[], Millis], random: Random) -> None:
        self._now = now
        self._random = random
        self._drawn = 0
        self.accounts: dict[UserId, Account] = {}
        self._by_name: dict[str, UserId] = {}
        self._logins: dict[LoginId, _Row] = {}
        self._by_family: dict[bytes, LoginId] = {}

    async def sign_up(self, person: NewAccount, refresh: Refresh, device: Device | None) -> SignedIn | None:
        user = self._add(person)
        return None if user is None else self._sign_in(user, refresh, device)

    async def account(self, id: UserId) -> Account | None:
        return self.accounts.get(id)

    async def account_named(self, username: str) -> Account | None:
        id = self._by_name.get(username.lower())
        return None if id is None else self.accounts[id]

    async def existing(self, ids: Collection[UserId]) -> set[UserId]:
        return {id for id in ids if id in self.accounts}

    async def change(self, id: UserId, change: ProfileChange) -> Account | None:
        if (account := self.accounts.get(id)) is None:
            return None
        changed = msgspec.structs.replace(
            account,
            name=account.name if change.name is UNSET else change.name,
            email=account.email if change.email is UNSET else change.email,
            settings=account.settings if change.settings is UNSET else account.settings | change.settings,
        )
        if len(changed.settings) > SETTINGS:
            return None
        self.accounts[id] = changed
        return changed

    async def sign_in(self, user: UserId, refresh: Refresh, device: Device | None) -> SignedIn:
        return self._sign_in(user, refresh, device)

    async def rotate(self, presented: Refresh, successor: Successor, idle_ms: int) -> Rotation | None:
        if (id := self._by_family.get(presented.family)) is None:
            return None
        row = self._logins[id]
        signed_in = SignedIn(row.user, id)
        idle = self._now() - row.last_used_at
        family = Family(row.refresh.secret, row.previous, idle, row.revoked_at is not None)
        verdict = judge(family, presented.secret, idle_ms)
        match verdict:
            case "rotate":
                row.previous, row.sealed = row.refresh.secret, successor.sealed
                row.refresh = Refresh(presented.family, successor.secret)
                row.last_used_at = self._now()
                return Rotated(signed_in)
            case "repeat":
                return Repeated(signed_in, row.sealed)
            case "reuse":
                row.revoked_at = self._now()
                return Reused(signed_in)
            case "refuse":
                return None
            case _:
                assert_never(verdict)

    async def revoke(self, user: UserId, login: LoginId) -> bool:
        row = self._logins.get(login)
        if row is None or row.user != user:
            return False
        if row.revoked_at is None:
            row.revoked_at = self._now()
        return True

    async def logins(self, user: UserId) -> list[Login]:
        return [Login(id, row.device, row.created_at, row.last_used_at) for id, row in self._live(user)]

    async def revoked_since(self, ago_ms: int) -> frozenset[LoginId]:
        bound = self._now() - ago_ms
        return frozenset(
            id for id, row in self._logins.items() if row.revoked_at is not None and row.revoked_at >= bound
        )

    async def mint(self, people: Sequence[tuple[str, Refresh]]) -> dict[str, SignedIn]:
        minted: dict[str, SignedIn] = {}
        for username, refresh in people:
            user = self._by_name.get(username.lower()) or self._add(NewAccount(username))
            if user is not None and self.accounts[user].password_hash is None:
                minted[username] = self._sign_in(user, refresh, None)
        return minted

    def _add(self, person: NewAccount) -> UserId | None:
        if person.username.lower() in self._by_name:
            return None
        id = UserId(self._draw(self._random.randrange(SHARDS)))
        self._by_name[person.username.lower()] = id
        self.accounts[id] = Account(
            id,
            person.username,
            person.name,
            person.email,
            person.password_hash,
            {},
            self._now(),
        )
        return id

    def _sign_in(self, user: UserId, refresh: Refresh, device: Device | None) -> SignedIn:
        id = LoginId(self._draw(shard_of(user)))
        self._logins[id] = _Row(user, device, refresh, self._now(), self._now())
        self._by_family[refresh.family] = id
        for _, row in self._live(user)[LOGINS:]:
            row.revoked_at = self._now()
        return SignedIn(user, id)

    def _live(self, user: UserId) -> list[tuple[LoginId, _Row]]:
        mine = [(id, row) for id, row in self._logins.items() if row.user == user and row.revoked_at is None]
        return sorted(mine, key=lambda entry: (entry[1].last_used_at, int(entry[0])), reverse=True)

    def _draw(self, shard: int) -> str:
        self._drawn += 1
        return str((self._now() - EPOCH << 23) + (self._drawn >> 10 << 23) | shard << 10 | self._drawn & 1023)
