"""Passwords: hashed, compared, and refused when too many wait."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
from argon2 import PasswordHasher

from protocol.errors import Refusal
from server.passwords import BUSY, Passwords

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    passwords = Passwords(QUICK)
    yield passwords
    passwords.close()


async def hashed(passwords: Passwords, password: str) -> str:
    stored = await passwords.hash(password)
    assert isinstance(stored, str)
    return stored


async def test_a_password_matches_itself_and_no_other(passwords: Passwords) -> None:
    stored = await hashed(passwords, "correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.matches("correct horse", stored) is True
    assert await passwords.matches("correct house", stored) is False
    assert stored != await hashed(passwords, "correct horse")


async def test_two_spellings_of_one_letter_are_one_password(passwords: Passwords) -> None:
    stored = await hashed(passwords, "caf\u00e9 caf\u00e9")
    assert await passwords.matches("cafe\u0301 cafe\u0301", stored) is True


@pytest.mark.parametrize("password", ["", "seven77", "a" * 1_025, "é" * 513])
async def test_a_password_too_short_or_too_long_is_refused_by_name(passwords: Passwords, password: str) -> None:
    refusal = await passwords.hash(password)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "bad_request"
    assert refusal.message.startswith("password:")


async def test_the_longest_password_is_taken(passwords: Passwords) -> None:
    assert await passwords.matches("é" * 512, await hashed(passwords, "é" * 512)) is True


async def test_who_has_no_password_is_never_right(passwords: Passwords) -> None:
    assert await passwords.matches("the password of nobody", None) is False
    assert await passwords.matches("whatever", "not a hash") is False


class Slow(PasswordHasher):
    """Compares when it is let, and counts."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()
        self.compared: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.go.wait()
        self.compared.append(str(hash))
        return super().verify(hash, password)


async def test_above_its_bound_it_answers_busy_and_later_goes_on() -> None:
    slow = Slow()
    passwords = Passwords(slow, threads=1, waiting=2)
    tries = [asyncio.create_task(passwords.matches("whatever", None)) for _ in range(4)]
    done, waiting = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [BUSY]
    slow.go.set()
    assert await asyncio.gather(*waiting) == [False] * 3
    assert await passwords.matches("whatever", None) is False
    passwords.close()


async def test_who_goes_away_frees_no_place_before_the_thread_is_done() -> None:
    slow = Slow()
    passwords = Passwords(slow, threads=1, waiting=0)
    gone = asyncio.create_task(passwords.matches("whatever", None))
    while not gone.cancelling():
        await asyncio.wait([gone], timeout=0)
        gone.cancel()
    await asyncio.wait([gone])
    assert await passwords.matches("whatever", None) == BUSY
    slow.go.set()
    passwords.close()


async def test_an_unknown_user_costs_the_same_comparison_as_a_known_one() -> None:
    slow = Slow()
    slow.go.set()
    passwords = Passwords(slow)
    stored = await passwords.hash("correct horse")
    assert isinstance(stored, str)
    await passwords.matches("wrong horse", stored)
    await passwords.matches("wrong horse", None)
    of_known, of_unknown = slow.compared
    assert of_known.split("$")[:4] == of_unknown.split("$")[:4]
    passwords.close()
