"""Whoever writes what a pattern does not take is told in words what it takes."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from protocol.asyncapi import asyncapi
from protocol.codec import JSON, Unreadable
from protocol.openapi import openapi
from protocol.patterns import in_words
from protocol.people import SignUp
from protocol.requests import Text


def patterns(schema: Any) -> Iterator[str]:
    """All that are in a document."""
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from patterns(part)


def refused(value: Any, type: Any) -> str:
    with pytest.raises(msgspec.ValidationError) as fault:
        msgspec.convert(value, type)
    return in_words(fault.value)


def test_a_username_is_refused_in_words_that_say_what_is_allowed() -> None:
    assert refused({"username": "Jörg", "password": "long enough"}, SignUp) == (
        "Expected 1 to 30 letters from a to z, digits, periods and underscores - at `$.username`"
    )
    assert refused("a\0", Text) == "Expected text without NUL"
    assert refused("", Text) == "Expected `str` of length >= 1"


def test_every_pattern_of_the_interface_has_words() -> None:
    asked = set(patterns(openapi())) | set(patterns(asyncapi()))
    assert len(asked) > 8
    for pattern in asked:
        # As the decoder says it; what no decoder reads are numbers in headers.
        said = in_words(msgspec.ValidationError(f"Expected `str` matching regex {pattern!r} - at `$.x`"))
        assert "another form" not in said or pattern == "^[0-9]{1,15}$", said
        assert "regex" not in said
        assert said.endswith(" - at `$.x`")


def test_the_socket_says_it_in_words_too() -> None:
    read = JSON.read(b'{"op":"presence.watch","id":1,"users":["x"]}')
    assert isinstance(read, Unreadable)
    assert read.refusal.message == "presence.watch: Expected an id - at `$.users[0]`"
