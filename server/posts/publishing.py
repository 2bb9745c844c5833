"""Publishing: posts follow their pictures, of which the outbox tells when each is ready or rejected."""

from collections.abc import Callable, Sequence

import msgspec

from persistence.outbox.contract import Event
from persistence.pool import Pool
from persistence.posts.making import settle
from protocol.media import MediaSettled

_read = msgspec.msgpack.Decoder(MediaSettled).decode


class Publishing:
    """A consumer of the topic MEDIA; what it did already it finds done. `published`: there may be more to tell."""

    def __init__(self, pool: Pool, published: Callable[[], None]) -> None:
        self._pool = pool
        self._published = published

    async def settled(self, events: Sequence[Event]) -> None:
        """The handler. Raises `UnavailableError`."""
        await settle(self._pool, [_read(event.body).media for event in events])
        self._published()
