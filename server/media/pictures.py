"""Who is given which bytes of a picture."""

from collections.abc import AsyncGenerator

from msgspec import Struct

from persistence.media.postgres import PostgresMedia
from persistence.objects.contract import Objects
from protocol.media import VARIANTS
from server.media.addresses import MediaAddresses
from server.media.variants import kept_as, object_key


class Picture(Struct, frozen=True):
    """One variant in one format, there to be read: `size` bytes, that its viewer may keep for `left_ms`."""

    key: str
    size: int
    left_ms: int


class Pictures:
    """What stands behind the addresses of pictures. All of it raises `UnavailableError`."""

    def __init__(self, addresses: MediaAddresses, store: PostgresMedia, objects: Objects) -> None:
        self.addresses = addresses
        self._store = store
        self._objects = objects

    async def find(self, media: str, variant: str, viewer: str, until: int, format: str) -> Picture | None:
        """What this viewer may see now, of an address that we signed; None whatever is the matter."""
        wanted = next((name for name in VARIANTS if name == variant), None)
        served = wanted and await self._store.served(viewer, media, until)
        if not wanted or not served:
            return None
        key = object_key(media, kept_as(wanted, served.width), format)
        size = await self._objects.size(key)
        return None if size is None else Picture(key, size, served.left_ms)

    def read(self, picture: Picture, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Its bytes from `start` to before `end`, in parts."""
        return self._objects.read(picture.key, start, end)
