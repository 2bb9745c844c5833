"""What keeps objects: whole files under a key, each written at once or not at all."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}"
_KEY = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT}){{1,4}}")

Content: TypeAlias = bytes | bytearray | AsyncIterator[bytes]


class ObjectAbsent(Exception):
    """There is no object under this key."""


class Listed(Struct, frozen=True, gc=False):
    """One object and its size in bytes."""

    key: str
    size: int


class Objects(Protocol):
    """Objects by key, "media/123/640.webp". A key is made by us; another shape than `checked` allows raises ValueError.

    All methods raise `UnavailableError` when the store does not answer, is full, or refuses.
    """

    async def put(self, key: str, content: Content) -> None:
        """Keep these bytes under this key, in the place of what was there. Durable when this returns; until then
        nobody sees any of it. Memory is bounded however much an iterator yields; what it raises is raised here."""
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `end`, or to the object's end, in parts. Raises ObjectAbsent, at the latest
        when the first part is asked for."""
        ...

    async def size(self, key: str) -> int | None:
        """How many bytes it has; None when it is absent."""
        ...

    async def listed(self, folder: str) -> list[Listed]:
        """All objects whose keys are `folder`, a slash, and one name more, by key."""
        ...

    async def delete(self, keys: Collection[str]) -> None:
        """Keep them no longer; what is absent already is no fault."""
        ...

    async def join(self, keys: Sequence[str], key: str) -> None:
        """Make one object of those, in their order; they stay. Raises ObjectAbsent; durable and unseen as by `put`."""
        ...

    def presigned(self, key: str, within_s: int) -> str | None:
        """A URL that takes one PUT of this object from whoever has it, for so long; None where there is no such."""
        ...


def checked(key: str) -> str:
    """The key, if it is one: two to five names with slashes between, none of which can lead out of a folder."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no key of an object")
    return key


def folder_of(folder: str) -> str:
    """The folder, if keys can be in it."""
    checked(f"{folder}/0")
    return folder
