"""Events of the outbox, as consumers get them."""

from msgspec import Struct

from protocol.ids import Millis


class Event(Struct, frozen=True, gc=False, array_like=True):
    """Something that happened at `at`. `id` is its own for ever; `body` is what its topic says it is."""

    id: int
    at: Millis
    body: bytes
