"""Publishing: posts follow their pictures, of which the outbox tells when each is ready or rejected."""

from collections.abc import Sequence

import msgspec

from persistence.outbox.contract import Event
from persistence.pool import Pool
from persistence.posts.making import settle
from protocol.media import MediaSettled

_read = msgspec.msgpack.Decoder(MediaSettled).decode


class Publishing:
    """A consumer of the topic MEDIA; what it did already it finds done."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def settled(self, events: Sequence[Event]) -> None:
        """The handler. Raises `UnavailableError`."""
        await settle(self._pool, [_read(event.body).media for event in events])
