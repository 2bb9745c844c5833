"""Places: where a post stands in every feed, by when it was published and then by its id."""

import struct
from typing import NamedTuple

from protocol.posts import PostId


class Place(NamedTuple):
    """`at` is microseconds since 1970, as exact as Postgres and a score of Redis have it. The newest is the largest."""

    at: int
    id: int

    @property
    def post(self) -> PostId:
        return PostId(str(self.id))


NEWEST = Place(2**53, 2**63 - 1)
"""Before it are all posts."""

_pack = struct.Struct(">QQ")


def packed(place: Place) -> bytes:
    """16 bytes that sort as places do."""
    return _pack.pack(*place)


def unpacked(data: bytes) -> list[Place]:
    """The places of several packed ones. Raises struct.error."""
    return [Place(at, id) for at, id in _pack.iter_unpack(data)]
