"""Whoever writes what a pattern does not take is told in words what it takes."""

from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect

from protocol.asyncapi import asyncapi
from protocol.codec import JSON, MSGPACK, Unreadable
from protocol.devices import ApnsDevice, FcmDevice, WebDevice
from protocol.openapi import openapi
from protocol.patterns import in_words
from protocol.people import USERNAME_RULE, SignUp
from protocol.preferences import PreferencesChange
from protocol.requests import AnyRequest, GetFeed, Text, WatchPresence
from protocol.route import ByUsername
from protocol.routes import ROUTES


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
    return in_words(fault.value, type)


def test_a_username_is_refused_in_words_that_say_what_is_allowed() -> None:
    assert refused({"username": "Jörg", "password": "long enough"}, SignUp) == (
        f"Expected {USERNAME_RULE} - at `$.username`"
    )
    for periods in (".", "..", "." * 30):
        assert "not periods alone" in refused({"username": periods, "password": "long enough"}, SignUp)
        # Some were called so before.
        assert msgspec.convert({"name": periods}, ByUsername).name == periods
    for username in (".a", "a..", "_", ".0."):
        assert msgspec.convert({"username": username, "password": "long enough"}, SignUp).username == username
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


def literals(kind: inspect.Type, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Where enumerations stand in a type, as the decoder names the place, and their values."""
    match kind:
        case inspect.Metadata(type=inner):
            yield from literals(inner, path)
        case inspect.UnionType(types=types):
            for one in types:
                yield from literals(one, path)
        case inspect.StructType(fields=fields):
            for field in fields:
                yield from literals(field.type, f"{path}.{field.encode_name}")
        case inspect.DictType(key_type=keys, value_type=values):
            for _, known in literals(keys):
                yield f"`key` in `${path}`", known
            yield from literals(values, f"{path}[...]")
        case inspect.ListType(item_type=inner):
            yield from literals(inner, f"{path}[0]")
        case inspect.LiteralType(values=known):
            yield path if path.startswith("`") else f"`${path}`", list(known)


def test_every_enumeration_of_a_request_is_refused_with_its_place_and_its_values() -> None:
    read = {kind for route in ROUTES for kind in (*route.bodies, route.query, route.place) if kind}
    read |= set(get_args(AnyRequest))
    found = [(kind, *literal) for kind in read for literal in literals(inspect.type_info(kind))]
    assert len(found) > 8
    for kind, where, known in found:
        # As the decoder says it, of a value that looks like more of its words.
        fault = msgspec.ValidationError(f"Invalid enum value 'x' - at `$.y`' - at {where}")
        assert in_words(fault, kind) == f"Expected one of {', '.join(known)} - at {where}"


def test_an_unknown_value_is_refused_with_the_known_ones_over_the_socket_and_over_http() -> None:
    said = "Expected one of latest, ranked - at `$.mode`"
    assert refused({"mode": "newest"}, next(route.query for route in ROUTES if route.path == "/v1/feed")) == said
    for codec in (JSON, MSGPACK):
        read = codec.read(codec.encode({"op": "feed.page", "id": 1, "mode": "newest"}))
        assert isinstance(read, Unreadable)
        assert read.refusal.message == f"feed.page: {said}"
    assert refused({"channels": {"like": {"pigeon": True}}}, PreferencesChange) == (
        "Expected one of email, in_app, push - at `key` in `$.channels[...]`"
    )
    assert refused({"audience": {"like": "all"}}, PreferencesChange) == (
        "Expected one of everyone, following, nobody - at `$.audience[...]`"
    )


def test_an_unknown_value_where_the_type_has_no_enumeration_is_told_as_the_decoder_says_it() -> None:
    for path in ("$.nowhere", "$.mode.deeper", "$.users[0]"):
        said = f"Invalid enum value 'x' - at `{path}`"
        assert in_words(msgspec.ValidationError(said), GetFeed, WatchPresence) == said


def test_an_unknown_platform_of_a_device_is_refused_with_the_known_ones() -> None:
    device = WebDevice | ApnsDevice | FcmDevice
    assert refused({"platform": "pager"}, device) == "Expected one of web, apns, fcm - at `$.platform`"
    assert refused({"platform": "web"}, device) == "Object missing required field `subscription`"
