"""What a worker's steps find, as it goes from the worker to the node, which takes no more than this from it."""

from typing import Annotated

from msgspec import Meta, Struct

from protocol.media import Variant
from server.media.sniffing import Kind

WIDEST, TALLEST = 2_048, 8_192
"""Of what is shown. What is more than four times as high as wide gets narrower, so that every format can hold it."""

Length = Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]


class Inspected(Struct, frozen=True, gc=False):
    """What the head of a file says: its kind, and how large it is when it stands upright."""

    kind: Kind
    width: Length
    height: Length


class Pair(Struct, frozen=True, gc=False):
    """One variant in both formats."""

    jpg: bytes
    webp: bytes


class Rendered(Struct, frozen=True, gc=False):
    """The variants that are kept, and the size of the largest."""

    width: Annotated[int, Meta(ge=1, le=WIDEST)]
    height: Annotated[int, Meta(ge=1, le=TALLEST)]
    variants: dict[Variant, Pair]


class Hashed(Struct, frozen=True, gc=False):
    """`perceptual` is None for a picture too plain to be known again."""

    thumbhash: Annotated[bytes, Meta(max_length=32)]
    perceptual: Annotated[bytes, Meta(min_length=32, max_length=32)] | None
