"""What a worker's steps find, as it goes from the worker to the node."""

from msgspec import Struct

from protocol.media import Variant
from server.media.sniffing import Kind


class Inspected(Struct, frozen=True, gc=False):
    """What the head of a file says: its kind, and how large it is when it stands upright."""

    kind: Kind
    width: int
    height: int


class Pair(Struct, frozen=True, gc=False):
    """One variant in both formats."""

    jpg: bytes
    webp: bytes


class Rendered(Struct, frozen=True, gc=False):
    """The variants that are kept, and the size of the largest."""

    width: int
    height: int
    variants: dict[Variant, Pair]


class Hashed(Struct, frozen=True, gc=False):
    """`perceptual` is None for a picture too plain to be known again."""

    thumbhash: bytes
    perceptual: bytes | None
