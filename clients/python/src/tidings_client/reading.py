"""Reads fields out of the server's maps, once, at the edge: what has the wrong shape is Malformed from here on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import Malformed

Body = Mapping[str, Any]


def text_of(body: Body, key: str) -> str:
    """A text that the contract requires."""
    value = body.get(key)
    if type(value) is not str:
        raise Malformed(f"{key} is {_shown(value)}, not a text")
    return value


def int_of(body: Body, key: str) -> int:
    """An integer that the contract requires."""
    value = body.get(key)
    if type(value) is not int:
        raise Malformed(f"{key} is {_shown(value)}, not an integer")
    return value


def bool_of(body: Body, key: str) -> bool:
    """A truth value that the contract requires."""
    value = body.get(key)
    if type(value) is not bool:
        raise Malformed(f"{key} is {_shown(value)}, neither true nor false")
    return value


def text_or_none(body: Body, key: str) -> str | None:
    """A text, or None when the key is absent."""
    return text_of(body, key) if body.get(key) is not None else None


def int_or_none(body: Body, key: str) -> int | None:
    """An integer, or None when the key is absent."""
    return int_of(body, key) if body.get(key) is not None else None


def map_of(body: Body, key: str) -> dict[str, Any]:
    """A map that the contract requires."""
    return as_map(body.get(key), key)


def maps_of(body: Body, key: str) -> list[dict[str, Any]]:
    """A list of maps; empty when the key is absent."""
    value = body.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed(f"{key} is {_shown(value)}, not a list")
    return [as_map(item, key) for item in value]


def texts_of(body: Body, key: str) -> tuple[str, ...]:
    """A list of texts; empty when the key is absent."""
    value = body.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(item) is str for item in value):
        raise Malformed(f"{key} is not a list of texts")
    return tuple(value)


def as_map(value: object, what: str) -> dict[str, Any]:
    """The value itself, known to be a map."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is {_shown(value)}, not a map")
    return value


def _shown(value: object) -> str:
    """The type alone: contents of messages have no place in errors."""
    return "missing" if value is None else f"a {type(value).__name__}"
