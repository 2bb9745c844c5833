"""Fields that may be left out of a struct, and values that may be absent: the same, on either side of the wire."""

from typing import TypeVar

from msgspec import UNSET, UnsetType

T = TypeVar("T")


def or_none(field: T | UnsetType) -> T | None:
    """What a field says; None when it was left out."""
    return None if field is UNSET else field


def or_unset(value: T | None) -> T | UnsetType:
    """The field that says `value`; left out for None."""
    return UNSET if value is None else value
