"""Minting: users for load, with tokens that work."""

import os
from random import Random

import pytest

from persistence.people.contract import NewAccount, Rotated, SignedIn
from persistence.people.memory import MemoryPeople
from protocol.ids import EPOCH, LoginId, Millis, UserId
from server.mint import BATCH, mint
from server.refreshing import RefreshToken, new_token, parse
from server.tokens import Caller, Tokens

NOW = Millis(EPOCH + 1_000_000)


@pytest.fixture
def people() -> MemoryPeople:
    return MemoryPeople(lambda: NOW, Random(1))


@pytest.fixture
def tokens() -> Tokens:
    return Tokens([("1", b"k" * 32)], 900, lambda: NOW)


async def test_minted_people_come_in_order_with_tokens_that_work(people: MemoryPeople, tokens: Tokens) -> None:
    minted = [one async for one in mint(people, tokens, os.urandom, BATCH + 5, "load")]
    assert [one.username for one in minted] == [f"load{n}" for n in range(1, BATCH + 6)]
    last = minted[-1]
    assert tokens.verify(last.access_token, NOW) == Caller(last.user, last.login)
    assert last.expires_in == 900
    refreshing = parse(last.refresh_token)
    assert refreshing is not None
    sealed = refreshing.sealed(RefreshToken(refreshing.family, os.urandom(32)))
    assert await people.rotate(refreshing.stored, sealed, 60_000) == Rotated(SignedIn(last.user, last.login))


async def test_minting_again_signs_the_same_people_in_again(people: MemoryPeople, tokens: Tokens) -> None:
    first = [one async for one in mint(people, tokens, os.urandom, 3, "load")]
    again = [one async for one in mint(people, tokens, os.urandom, 3, "load")]
    assert [one.user for one in again] == [one.user for one in first]
    assert len({one.login for one in first + again}) == 6


async def test_minting_opens_nobodys_account(people: MemoryPeople, tokens: Tokens) -> None:
    await people.sign_up(NewAccount("load2", "hash"), new_token(os.urandom).stored, None)
    with pytest.raises(ValueError, match="load2 is the account of a person"):
        _ = [one async for one in mint(people, tokens, os.urandom, 3, "load")]


@pytest.mark.parametrize("prefix", ["has a blank", "a" * 30, "é"])
async def test_a_prefix_that_makes_no_usernames_is_refused(people: MemoryPeople, tokens: Tokens, prefix: str) -> None:
    with pytest.raises(ValueError, match="is no username: 1 to 30 letters"):
        _ = [one async for one in mint(people, tokens, os.urandom, 1, prefix)]
    assert await people.existing([UserId("1")]) == set()
    assert not await people.revoke(UserId("1"), LoginId("1"))
