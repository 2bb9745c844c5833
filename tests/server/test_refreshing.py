"""Refresh tokens: what clients hold, what is stored, and how a successor is sealed."""

import os

import pytest

from server.refreshing import RefreshToken, new_token, parse


def test_a_token_survives_its_way_through_a_client() -> None:
    token = new_token(os.urandom)
    assert parse(str(token)) == token
    assert len(str(token)) == 64


@pytest.mark.parametrize("text", ["", "a", "a" * 63, "a" * 65, "a" * 63 + "=", "é" * 64, "a" * 64 + "\n"])
def test_what_is_no_token_is_none(text: str) -> None:
    assert parse(text) is None


def test_what_is_stored_shows_neither_part_and_keeps_the_family() -> None:
    token = new_token(os.urandom)
    successor = RefreshToken(token.family, os.urandom(32))
    assert token.stored.family == successor.stored.family
    assert token.stored.secret != successor.stored.secret
    assert token.family not in (token.stored.family, token.stored.secret)
    assert str(token) not in repr(token)


def test_a_sealed_successor_opens_by_the_token_it_replaces_and_no_other() -> None:
    token = new_token(os.urandom)
    successor = RefreshToken(token.family, os.urandom(32))
    sealed = token.sealed(successor)
    assert token.open(sealed.sealed) == successor
    assert sealed.secret == successor.stored.secret
    assert RefreshToken(token.family, os.urandom(32)).open(sealed.sealed) != successor
    assert successor.secret not in sealed.sealed
