"""People in Postgres. Every call is one round trip, but for the exchange of a refresh token and for minting."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from random import randrange
from typing import Any, TypeAlias, assert_never

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from msgspec import UNSET

from persistence.faults import UnavailableError
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
from persistence.pool import UNANSWERED
from protocol.ids import SHARDS, LoginId, Millis, UserId, shard_of
from protocol.people import Setting
from protocol.requests import Device
from protocol.unset import or_none

Connection: TypeAlias = "PoolConnectionProxy[Any]"

REQUEST_S = 3.0
"""How long a connection is waited for, and how long one call may then take."""

_COLUMNS = """a.id, a.username, a.name, a.email, a.password_hash, a.settings, a.private,
  (extract(epoch from a.created_at) * 1000)::bigint as created_at"""
_BY_ID = f"select {_COLUMNS} from account a where a.id = $1"
_BY_USERNAME = f"select {_COLUMNS} from account a where lower(a.username) = lower($1)"
_SIGN_UP = """
with person as (
  insert into account (id, username, name, email, password_hash) values (next_id($1), $2, $3, $4, $5)
  on conflict (lower(username)) do nothing returning id)
insert into login (id, account, device, family, secret)
select next_id($1), id, $6, $7, $8 from person returning account, id"""
_SIGN_IN = """
with superfluous as (
  update login set revoked_at = statement_timestamp() where id in (
    select id from login where account = $2 and revoked_at is null order by last_used_at desc, id desc offset $6))
insert into login (id, account, device, family, secret) values (next_id($1), $2, $3, $4, $5) returning account, id"""
_CHANGE = f"""
with held as (select id, settings || $6::jsonb as settings from account where id = $1 for update)
update account a set name = case when $2 then $3 else a.name end, email = case when $4 then $5 else a.email end,
  settings = held.settings
from held where a.id = held.id and (select count(*) from jsonb_object_keys(held.settings)) <= $7 returning {_COLUMNS}"""
_HOLD = """
select id, account, secret, previous, sealed, revoked_at is not null as revoked,
  (extract(epoch from statement_timestamp() - last_used_at) * 1000)::bigint as idle_ms
from login where family = $1 for update"""
_EXCHANGE = """
update login set previous = secret, secret = $2, sealed = $3, last_used_at = statement_timestamp() where id = $1"""
_REVOKE = """
update login set revoked_at = coalesce(revoked_at, statement_timestamp()) where id = $1 and account = $2 returning id"""
_LOGINS = """
select id, device, (extract(epoch from created_at) * 1000)::bigint as created_at,
  (extract(epoch from last_used_at) * 1000)::bigint as last_used_at
from login where account = $1 and revoked_at is null order by login.last_used_at desc, id desc limit $2"""
_REVOKED = "select id from login where revoked_at >= statement_timestamp() - make_interval(secs => $1)"
# One shard after the other: ids drawn in the same millisecond then differ whatever their sequence.
_MINT_ACCOUNTS = """
insert into account (id, username)
select next_id((($2 + n) % 8192)::int), username from unnest($1::text[]) with ordinality w (username, n)
on conflict (lower(username)) do nothing"""
_MINT_LOGINS = """
insert into login (id, account, family, secret)
select next_id((a.id >> 10 & 8191)::int), a.id, w.family, w.secret
from unnest($1::text[], $2::bytea[], $3::bytea[]) w (username, family, secret)
join account a on lower(a.username) = lower(w.username) and a.password_hash is null
returning account, id, family"""


class PostgresPeople:
    """`PeopleStore` on a pool of connections."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    async def sign_up(self, person: NewAccount, refresh: Refresh, device: Device | None) -> SignedIn | None:
        row = await self._drawing(
            _SIGN_UP,
            randrange(SHARDS),
            person.username,
            person.name,
            person.email,
            person.password_hash,
            _stored(device),
            refresh.family,
            refresh.secret,
        )
        return None if row is None else _signed_in(row)

    async def account(self, id: UserId) -> Account | None:
        return await self._account(_BY_ID, int(id))

    async def account_named(self, username: str) -> Account | None:
        return await self._account(_BY_USERNAME, username)

    async def existing(self, ids: Collection[UserId]) -> set[UserId]:
        async with self._connection() as connection:
            rows = await connection.fetch("select id from account where id = any($1)", [int(id) for id in ids])
        return {UserId(str(row["id"])) for row in rows}

    async def change(self, id: UserId, change: ProfileChange) -> Account | None:
        return await self._account(
            _CHANGE,
            int(id),
            change.name is not UNSET,
            or_none(change.name),
            change.email is not UNSET,
            or_none(change.email),
            msgspec.json.encode({} if change.settings is UNSET else change.settings).decode(),
            SETTINGS,
        )

    async def sign_in(self, user: UserId, refresh: Refresh, device: Device | None) -> SignedIn:
        row = await self._drawing(
            _SIGN_IN,
            shard_of(user),
            int(user),
            _stored(device),
            refresh.family,
            refresh.secret,
            LOGINS - 1,
        )
        return _signed_in(row)

    async def rotate(self, presented: Refresh, successor: Successor, idle_ms: int) -> Rotation | None:
        async with self._connection() as connection, connection.transaction():
            row = await connection.fetchrow(_HOLD, presented.family)
            if row is None:
                return None
            signed_in = _signed_in(row)
            family = Family(row["secret"], row["previous"], row["idle_ms"], row["revoked"])
            verdict = judge(family, presented.secret, idle_ms)
            match verdict:
                case "rotate":
                    await connection.execute(_EXCHANGE, row["id"], successor.secret, successor.sealed)
                    return Rotated(signed_in)
                case "repeat":
                    return Repeated(signed_in, row["sealed"])
                case "reuse":
                    await connection.execute(_REVOKE, row["id"], row["account"])
                    return Reused(signed_in)
                case "refuse":
                    return None
                case _:
                    assert_never(verdict)

    async def revoke(self, user: UserId, login: LoginId) -> bool:
        async with self._connection() as connection:
            return await connection.fetchval(_REVOKE, int(login), int(user)) is not None

    async def logins(self, user: UserId) -> list[Login]:
        async with self._connection() as connection:
            rows = await connection.fetch(_LOGINS, int(user), LOGINS)
        return [
            Login(
                LoginId(str(row["id"])),
                row["device"] and msgspec.json.decode(row["device"], type=Device),
                Millis(row["created_at"]),
                Millis(row["last_used_at"]),
            )
            for row in rows
        ]

    async def revoked_since(self, ago_ms: int) -> frozenset[LoginId]:
        async with self._connection() as connection:
            rows = await connection.fetch(_REVOKED, ago_ms / 1_000)
        return frozenset(LoginId(str(row["id"])) for row in rows)

    async def mint(self, people: Sequence[tuple[str, Refresh]]) -> dict[str, SignedIn]:
        usernames = [username for username, _ in people]
        families = {refresh.family: username for username, refresh in people}
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_MINT_ACCOUNTS, usernames, randrange(SHARDS))
            secrets = [refresh.secret for _, refresh in people]
            rows = await connection.fetch(_MINT_LOGINS, usernames, list(families), secrets)
        return {families[row["family"]]: _signed_in(row) for row in rows}

    async def _account(self, statement: str, *arguments: object) -> Account | None:
        async with self._connection() as connection:
            row = await connection.fetchrow(statement, *arguments)
        return None if row is None else _account(row)

    async def _drawing(self, statement: str, *arguments: object) -> Any:
        """Run a statement that draws ids; should one be taken, draw another."""
        while True:
            try:
                async with self._connection() as connection:
                    return await connection.fetchrow(statement, *arguments)
            except asyncpg.UniqueViolationError as taken:
                if taken.constraint_name not in ("account_pkey", "login_pkey"):
                    raise

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with (
                self._pool.acquire(timeout=REQUEST_S) as connection,
                asyncio.timeout(REQUEST_S),
            ):
                yield connection
        except UNANSWERED as fault:
            raise UnavailableError("Postgres did not answer") from fault


def _stored(device: Device | None) -> str | None:
    return None if device is None else msgspec.json.encode(device).decode()


def _account(row: Any) -> Account:
    return Account(
        UserId(str(row["id"])),
        row["username"],
        row["name"],
        row["email"],
        row["password_hash"],
        msgspec.json.decode(row["settings"], type=dict[str, Setting]),
        Millis(row["created_at"]),
        row["private"],
    )


def _signed_in(row: Any) -> SignedIn:
    return SignedIn(UserId(str(row["account"])), LoginId(str(row["id"])))
