"""The contract of `PeopleStore`, on both stores."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Protocol

import asyncpg
import pytest

from persistence.faults import UnavailableError
from persistence.people.contract import (
    LOGINS,
    SETTINGS,
    NewAccount,
    PeopleStore,
    ProfileChange,
    Refresh,
    Repeated,
    Reused,
    Rotated,
    SignedIn,
    Successor,
)
from persistence.people.memory import MemoryPeople
from persistence.people.postgres import PostgresPeople
from persistence.people.rotation import GRACE_MS
from persistence.pool import open_pool
from protocol.ids import EPOCH, SHARDS, LoginId, Millis, UserId, shard_of
from protocol.requests import Device

IDLE_MS = 30 * 86_400_000
PHONE = Device("phone-1", "ios", "tidings 1.0")
NOBODY = UserId("8")

numbers = itertools.count(1)


class PeopleGround(Protocol):
    """A store of people, and time that can pass for it."""

    store: PeopleStore

    async def pass_ms(self, ms: int) -> None: ...


class MemoryPeopleGround:
    def __init__(self) -> None:
        self._now = Millis(EPOCH + 1_000_000)
        self.store: PeopleStore = MemoryPeople(lambda: self._now, Random(1))

    async def pass_ms(self, ms: int) -> None:
        self._now = Millis(self._now + ms)


class PostgresPeopleGround:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.store: PeopleStore = PostgresPeople(pool)

    async def pass_ms(self, ms: int) -> None:
        await self._pool.execute(
            "update login set last_used_at = last_used_at - $1 * interval '1 ms',"
            " revoked_at = revoked_at - $1 * interval '1 ms'",
            ms,
        )


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[PeopleGround]:
    if url is None:
        yield MemoryPeopleGround()
        return
    async with open_pool(url, 4) as pool:
        yield PostgresPeopleGround(pool)


@pytest.fixture
def store(ground: PeopleGround) -> PeopleStore:
    return ground.store


@pytest.fixture
def username() -> str:
    """Nobody else's: the database is shared by the tests of this module."""
    return f"Ada.{next(numbers)}"


def digest(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest()


def a_refresh() -> Refresh:
    return Refresh(digest(next(numbers)), digest(next(numbers)))


def a_successor() -> Successor:
    return Successor(digest(next(numbers)), b"sealed %d" % next(numbers))


async def signed_up(store: PeopleStore, username: str, refresh: Refresh | None = None) -> SignedIn:
    signed_in = await store.sign_up(NewAccount(username, "hash"), refresh or a_refresh(), PHONE)
    assert signed_in is not None
    return signed_in


async def test_a_sign_up_makes_an_account_and_its_first_login(store: PeopleStore, username: str) -> None:
    person = NewAccount(username, "hash", "Ada", "ada@example.com")
    signed_in = await store.sign_up(person, a_refresh(), PHONE)
    assert signed_in is not None
    account = await store.account(signed_in.user)
    assert account is not None
    assert (account.username, account.password_hash) == (username, "hash")
    assert (account.name, account.email, account.settings) == ("Ada", "ada@example.com", {})
    assert account == await store.account_named(username)
    [login] = await store.logins(signed_in.user)
    assert (login.id, login.device) == (signed_in.login, PHONE)
    assert login.created_at == login.last_used_at


async def test_a_login_lives_on_the_shard_of_its_account(store: PeopleStore, username: str) -> None:
    signed_in = await signed_up(store, username)
    assert shard_of(signed_in.login) == shard_of(signed_in.user)


async def test_accounts_spread_over_the_shards(store: PeopleStore, username: str) -> None:
    shards = {shard_of((await signed_up(store, f"{username}.{n}")).user) for n in range(20)}
    assert len(shards) > 10
    assert max(shards) < SHARDS


@pytest.mark.parametrize("spell", [str, str.upper, str.lower])
async def test_a_username_is_taken_whatever_its_case(
    store: PeopleStore, username: str, spell: Callable[[str], str]
) -> None:
    first = await signed_up(store, username)
    assert await store.sign_up(NewAccount(spell(username)), a_refresh(), None) is None
    found = await store.account_named(spell(username))
    assert found is not None
    assert (found.id, found.username) == (first.user, username)


async def test_one_of_many_simultaneous_sign_ups_wins(store: PeopleStore, username: str) -> None:
    tries = [store.sign_up(NewAccount(username), a_refresh(), None) for _ in range(8)]
    signed_in = [result for result in await asyncio.gather(*tries) if result is not None]
    assert len(signed_in) == 1
    assert len(await store.logins(signed_in[0].user)) == 1


async def test_who_has_no_account_is_not_found(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    assert await store.account(NOBODY) is None
    assert await store.account_named("nobody") is None
    assert await store.existing([ada.user, NOBODY]) == {ada.user}
    assert await store.existing([]) == set()


async def test_a_change_touches_what_it_names(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    changed = await store.change(ada.user, ProfileChange(name="Ada L.", settings={"theme": "dark", "tips": True}))
    assert changed is not None
    assert (changed.name, changed.email, changed.settings) == ("Ada L.", None, {"theme": "dark", "tips": True})
    changed = await store.change(ada.user, ProfileChange(name=None, email="a@b", settings={"tips": 3}))
    assert changed is not None
    assert (changed.name, changed.email, changed.settings) == (None, "a@b", {"theme": "dark", "tips": 3})
    assert changed == await store.account(ada.user) == await store.change(ada.user, ProfileChange())
    assert changed.username == username


async def test_changes_of_different_settings_at_once_are_all_kept(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    await asyncio.gather(*(store.change(ada.user, ProfileChange(settings={f"s{n}": n})) for n in range(12)))
    account = await store.account(ada.user)
    assert account is not None
    assert account.settings == {f"s{n}": n for n in range(12)}


async def test_settings_have_a_bound_and_a_change_above_it_changes_nothing(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    full = {f"s{n}": n for n in range(SETTINGS)}
    assert await store.change(ada.user, ProfileChange(settings=dict(full))) is not None
    assert await store.change(ada.user, ProfileChange(name="Ada", settings={"one": 1})) is None
    account = await store.account(ada.user)
    assert account is not None
    assert (account.settings, account.name) == (full, None)
    assert await store.change(ada.user, ProfileChange(settings={"s1": 99})) is not None


async def test_nobody_cannot_be_changed(store: PeopleStore) -> None:
    assert await store.change(NOBODY, ProfileChange(name="Ada")) is None


async def test_logins_are_listed_by_last_use_and_only_those_of_the_user(ground: PeopleGround, username: str) -> None:
    store = ground.store
    refresh = a_refresh()
    first = await signed_up(store, username, refresh)
    await signed_up(store, f"{username}.other")
    await ground.pass_ms(10)
    second = await store.sign_in(first.user, a_refresh(), None)
    assert [login.id for login in await store.logins(first.user)] == [second.login, first.login]
    await ground.pass_ms(10)
    await store.rotate(refresh, a_successor(), IDLE_MS)
    assert [login.id for login in await store.logins(first.user)] == [first.login, second.login]


async def test_one_login_too_many_ends_the_one_that_was_unused_for_longest(ground: PeopleGround, username: str) -> None:
    store = ground.store
    first = await signed_up(store, username)
    await ground.pass_ms(10)
    for _ in range(LOGINS - 1):
        await store.sign_in(first.user, a_refresh(), None)
    assert first.login in {login.id for login in await store.logins(first.user)}
    await store.sign_in(first.user, a_refresh(), None)
    logins = {login.id for login in await store.logins(first.user)}
    assert len(logins) == LOGINS
    assert first.login not in logins
    assert first.login in await store.revoked_since(60_000)


async def test_an_exchange_replaces_the_secret_once(store: PeopleStore, username: str) -> None:
    first = a_refresh()
    ada = await signed_up(store, username, first)
    successor = a_successor()
    assert await store.rotate(first, successor, IDLE_MS) == Rotated(ada)
    assert await store.rotate(Refresh(first.family, successor.secret), a_successor(), IDLE_MS) == Rotated(ada)


async def test_an_exchange_whose_answer_was_lost_is_answered_alike(ground: PeopleGround, username: str) -> None:
    first, successor = a_refresh(), a_successor()
    ada = await signed_up(ground.store, username, first)
    await ground.store.rotate(first, successor, IDLE_MS)
    await ground.pass_ms(GRACE_MS - 5_000)
    assert await ground.store.rotate(first, a_successor(), IDLE_MS) == Repeated(ada, successor.sealed)
    assert await ground.store.rotate(Refresh(first.family, successor.secret), a_successor(), IDLE_MS) == Rotated(ada)


async def test_simultaneous_exchanges_of_one_token_agree_on_one_successor(store: PeopleStore, username: str) -> None:
    first = a_refresh()
    ada = await signed_up(store, username, first)
    offered = [a_successor() for _ in range(6)]
    results = await asyncio.gather(*(store.rotate(first, successor, IDLE_MS) for successor in offered))
    assert results.count(Rotated(ada)) == 1
    winner = offered[results.index(Rotated(ada))]
    assert results.count(Repeated(ada, winner.sealed)) == len(offered) - 1


async def test_a_replaced_token_that_comes_back_late_ends_the_login(ground: PeopleGround, username: str) -> None:
    store, first, successor = ground.store, a_refresh(), a_successor()
    ada = await signed_up(store, username, first)
    await store.rotate(first, successor, IDLE_MS)
    await ground.pass_ms(GRACE_MS + 1_000)
    assert await store.rotate(first, a_successor(), IDLE_MS) == Reused(ada)
    assert await store.rotate(Refresh(first.family, successor.secret), a_successor(), IDLE_MS) is None
    assert await store.logins(ada.user) == []
    assert ada.login in await store.revoked_since(60_000)


async def test_a_token_two_exchanges_old_ends_the_login_at_once(store: PeopleStore, username: str) -> None:
    first, successor = a_refresh(), a_successor()
    ada = await signed_up(store, username, first)
    await store.rotate(first, successor, IDLE_MS)
    await store.rotate(Refresh(first.family, successor.secret), a_successor(), IDLE_MS)
    assert await store.rotate(first, a_successor(), IDLE_MS) == Reused(ada)


async def test_an_unknown_family_is_refused_and_ends_nothing(store: PeopleStore, username: str) -> None:
    refresh = a_refresh()
    ada = await signed_up(store, username, refresh)
    assert await store.rotate(Refresh(digest(0), refresh.secret), a_successor(), IDLE_MS) is None
    assert len(await store.logins(ada.user)) == 1


async def test_a_token_that_was_not_used_for_long_is_void(ground: PeopleGround, username: str) -> None:
    refresh = a_refresh()
    await signed_up(ground.store, username, refresh)
    await ground.pass_ms(IDLE_MS + 1_000)
    assert await ground.store.rotate(refresh, a_successor(), IDLE_MS) is None


async def test_a_revoked_login_stays_revoked(ground: PeopleGround, username: str) -> None:
    store, refresh = ground.store, a_refresh()
    ada = await signed_up(store, username, refresh)
    assert await store.revoke(ada.user, ada.login)
    await ground.pass_ms(5_000)
    assert await store.revoke(ada.user, ada.login)
    assert await store.logins(ada.user) == []
    assert await store.rotate(refresh, a_successor(), IDLE_MS) is None
    assert ada.login not in await store.revoked_since(4_000)
    assert ada.login in await store.revoked_since(60_000)


async def test_only_ones_own_logins_can_be_revoked(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    bob = await signed_up(store, f"{username}.bob")
    assert not await store.revoke(bob.user, ada.login)
    assert not await store.revoke(ada.user, LoginId("7"))
    assert len(await store.logins(ada.user)) == 1


async def test_minting_makes_accounts_once_and_logins_every_time(store: PeopleStore, username: str) -> None:
    names = [f"{username}.{n}" for n in range(50)]
    first = await store.mint([(name, a_refresh()) for name in names])
    refreshes = {name: a_refresh() for name in names}
    again = await store.mint(list(refreshes.items()))
    assert set(first) == set(again) == set(names)
    assert len({signed_in.user for signed_in in first.values()}) == 50
    for name in names:
        assert first[name].user == again[name].user
        assert first[name].login != again[name].login
        assert shard_of(again[name].login) == shard_of(again[name].user)
        assert await store.rotate(refreshes[name], a_successor(), IDLE_MS) == Rotated(again[name])


async def test_minting_leaves_out_the_account_of_a_person(store: PeopleStore, username: str) -> None:
    ada = await signed_up(store, username)
    minted = await store.mint([(username.upper(), a_refresh()), (f"{username}.x", a_refresh())])
    assert set(minted) == {f"{username}.x"}
    assert [login.id for login in await store.logins(ada.user)] == [ada.login]


@pytest.fixture
async def administrator(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to another database of the same server."""
    connection = await asyncpg.connect(database, database="postgres")
    yield connection
    await connection.close()


async def test_a_database_that_is_gone_is_unavailable(database: str, administrator: asyncpg.Connection) -> None:
    async with open_pool(database, 1) as pool:
        name = await pool.fetchval("select current_database()")
        await administrator.execute(f"alter database {name} allow_connections false")
        await administrator.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        store = PostgresPeople(pool)
        with pytest.raises(UnavailableError):
            await store.account(NOBODY)
        with pytest.raises(UnavailableError):
            await store.mint([("load1", a_refresh())])


async def test_minting_as_many_as_one_call_takes_is_done_before_it_would_be_given_up(database: str) -> None:
    async with open_pool(database, 1) as pool:
        store = PostgresPeople(pool)
        for batch in range(2):
            people = [(f"load{batch}.{n}", a_refresh()) for n in range(5_000)]
            assert len(await store.mint(people)) == 5_000


async def test_an_id_that_is_taken_is_drawn_again(database: str) -> None:
    async with open_pool(database, 1) as pool:
        await pool.execute(
            "create sequence drawn start 100;"
            "create or replace function next_id(shard int) returns bigint language sql as 'select nextval(''drawn'')'"
        )
        store = PostgresPeople(pool)
        assert await signed_up(store, "ada") == SignedIn(UserId("100"), LoginId("101"))
        await pool.execute("alter sequence drawn restart with 100")
        assert await signed_up(store, "bob") == SignedIn(UserId("101"), LoginId("102"))
        await pool.execute("alter sequence drawn restart with 101")
        assert (await store.sign_in(UserId("100"), a_refresh(), None)).login == LoginId("103")


async def test_a_refresh_token_can_belong_to_one_login_only(database: str) -> None:
    async with open_pool(database, 1) as pool:
        store, refresh = PostgresPeople(pool), a_refresh()
        ada = await signed_up(store, "ada", refresh)
        with pytest.raises(asyncpg.UniqueViolationError):
            await store.sign_in(ada.user, refresh, None)
