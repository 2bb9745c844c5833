"""Access tokens: who gets in by them, and who does not. What is hostile stands in tests/security/test_tokens.py."""

import pytest

from protocol.ids import LoginId, Millis, UserId
from server.tokens import KNOWN, Caller, Expired, Invalid, Tokens

ADA = UserId("497219430582059017")
LOGIN = LoginId("497219430590449674")
NOW = Millis(1_795_219_200_500)
OLD, NEW = ("old", b"o" * 32), ("new", b"n" * 32)


def tokens(*keys: tuple[str, bytes], now: Millis = NOW) -> Tokens:
    return Tokens(keys, 900, lambda: now)


def test_a_token_tells_who_calls_on_which_login() -> None:
    ours = tokens(NEW)
    assert ours.verify(ours.issue(ADA, LOGIN), NOW) == Caller(ADA, LOGIN)


def test_a_token_expires_with_its_second_and_without_leeway() -> None:
    ours = tokens(NEW)
    token = ours.issue(ADA, LOGIN)
    end = NOW // 1_000 * 1_000 + 900_000
    assert ours.verify(token, Millis(end - 1)) == Caller(ADA, LOGIN)
    assert ours.verify(token, Millis(end)) == Expired()


def test_a_token_is_good_after_as_many_others_as_are_remembered() -> None:
    ours = tokens(NEW)
    first, others = ours.issue(ADA, LOGIN), [ours.issue(ADA, LoginId(str(n))) for n in range(1, KNOWN + 2)]
    assert all(ours.verify(token, NOW) == Caller(ADA, LoginId(str(n))) for n, token in enumerate(others, 1))
    assert ours.verify(first, NOW) == Caller(ADA, LOGIN)
    assert ours.verify(others[0], NOW) == Caller(ADA, LoginId("1"))


def test_the_first_key_signs_and_every_key_is_accepted() -> None:
    before, between, after = tokens(OLD), tokens(NEW, OLD), tokens(NEW)
    by_old, by_new = before.issue(ADA, LOGIN), between.issue(ADA, LOGIN)
    assert between.verify(by_old, NOW) == Caller(ADA, LOGIN)
    assert after.verify(by_new, NOW) == Caller(ADA, LOGIN)
    assert after.verify(by_old, NOW) == Invalid()
    assert before.verify(by_new, NOW) == Invalid()


def test_tokens_need_a_key_as_long_as_the_hash() -> None:
    with pytest.raises(ValueError, match="need a key"):
        tokens()
    with pytest.raises(ValueError, match="'old': at least 32 bytes"):
        tokens(NEW, ("old", b"o" * 31))
