"""Stream: the user's numbered events of one epoch, and the ring that holds what some device may still ask for."""

from collections.abc import Sequence

from msgspec import Struct

from protocol.codec import Encoded
from protocol.events import LogEvent
from protocol.ids import ConversationId

FEW = 4


class Numbered(Struct, frozen=True, gc=False):
    """A durable event at its place in one user's stream."""

    encoded: Encoded
    u: int


class Stream(Struct, gc=False, eq=False):
    """`u` is the last number given; the ring holds `base`+1 … `u`. Bytes are those of the bodies, once per user."""

    epoch: str
    u: int = 0
    base: int = 0
    bytes: int = 0
    _ring: list[Encoded] | None = None
    # The last c per conversation of this epoch: a repeat from the repair of a lost answer stops here.
    # Few stand side by side (id, c, id, c, …): a dict of one has 232 bytes, and an id as text more than as an int.
    _heads: dict[int, int] | tuple[int, ...] = ()

    def append(self, encoded: Encoded) -> Numbered | None:
        """The event with its number; None for a log event that this stream has had already."""
        event = encoded.event
        if isinstance(event, LogEvent) and not self._advance(event.conversation, event.c):
            return None
        if self._ring is None:
            self._ring = []
        self._ring.append(encoded)
        self.bytes += encoded.size
        self.u += 1
        return Numbered(encoded, self.u)

    def _advance(self, conversation: ConversationId, c: int) -> bool:
        """Move the conversation's head to `c`; False when it is there already."""
        id, heads = int(conversation), self._heads
        if isinstance(heads, dict):
            if c <= heads.get(id, -1):
                return False
            heads[id] = c
            return True
        ids = heads[::2]
        if id in ids:
            place = 2 * ids.index(id) + 1
            if c <= heads[place]:
                return False
            self._heads = (*heads[:place], c, *heads[place + 1 :])
        elif len(ids) < FEW:
            self._heads = (*heads, id, c)
        else:
            self._heads = {**dict(zip(ids, heads[1::2], strict=True)), id: c}
        return True

    def lacks(self, conversation: ConversationId, c: int) -> bool:
        """Nothing of `conversation` from this place on is on the stream."""
        id, heads = int(conversation), self._heads
        if isinstance(heads, dict):
            return heads.get(id, -1) < c
        return id not in heads[::2] or heads[2 * heads[::2].index(id) + 1] < c

    def holds(self, u: int) -> bool:
        """Everything after `u` can be replayed."""
        return self.base <= u <= self.u

    def after(self, u: int, limit: int) -> list[Numbered]:
        """Events after `u`, in order, until `limit` bytes are reached; at least one if there is any."""
        taken: list[Numbered] = []
        for place in range(u - self.base, len(self._ring or ())):
            if limit <= 0:
                break
            encoded = self._entries[place]
            taken.append(Numbered(encoded, self.base + place + 1))
            limit -= encoded.size
        return taken

    def between(self, u: int, last: int) -> Sequence[Encoded]:
        """Bodies of u+1 … last, as far as the ring holds them."""
        return self._entries[max(u - self.base, 0) : max(last - self.base, 0)]

    def bytes_after(self, u: int) -> int:
        """What a connection at position `u` has still to be sent."""
        return sum(encoded.size for encoded in self.between(u, self.u))

    def free(self, u: int) -> None:
        """Nobody will ask for `u` or anything before it."""
        if u <= self.base or self._ring is None:
            return
        self.bytes -= sum(encoded.size for encoded in self.between(self.base, u))
        del self._ring[: u - self.base]
        self.base = u
        if not self._ring:
            self._ring = None

    def base_within(self, budget: int) -> int:
        """Up to where the oldest must go so that at most `budget` bytes are held."""
        held, u = self.bytes, self.base
        for encoded in self._entries:
            if held <= budget:
                break
            held -= encoded.size
            u += 1
        return u

    @property
    def _entries(self) -> list[Encoded]:
        return self._ring or []
