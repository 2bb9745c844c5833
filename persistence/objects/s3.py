"""Objects in a bucket of S3, or of anything that speaks like it, by obstore."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from persistence.faults import UnavailableError
from persistence.objects.contract import Content, Listed, ObjectAbsent, checked, folder_of

if TYPE_CHECKING:
    from obstore.store import S3Config

PART = 262_144
WHOLE = 8 << 20
"""Up to here an object goes in one request; above, in parts of this size, two at a time."""
AT_ONCE = 2


class S3Objects:
    """`Objects` in a bucket, under a prefix. `endpoint` is empty for Amazon's own of that region.

    Parts of what was never finished stay in the bucket, unseen, until a lifecycle rule of the bucket removes them.
    """

    def __init__(self, bucket: str, prefix: str, endpoint: str, region: str, key: str, secret: str) -> None:
        config: S3Config = {"region": region}
        if endpoint:
            config["endpoint"] = endpoint
        if key:
            # Without one obstore looks for that of the machine (environment, instance).
            config["access_key_id"], config["secret_access_key"] = key, secret
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options={"connect_timeout": "2s", "timeout": "60s", "allow_http": endpoint.startswith("http:")},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )

    async def put(self, key: str, content: Content) -> None:
        multipart = not isinstance(content, bytes | bytearray) or len(content) > WHOLE
        with _failing(key):
            await obstore.put_async(
                self._store,
                checked(key),
                content,
                use_multipart=multipart,
                chunk_size=WHOLE,
                max_concurrency=AT_ONCE,
            )

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        size = await self.size(key)
        if size is None:
            raise ObjectAbsent(key)
        end = size if end is None else min(end, size)
        if start >= end:
            return
        with _failing(key):
            found = await obstore.get_async(self._store, key, options={"range": (start, end)})
            async for part in found.stream(PART):
                yield bytes(part)

    async def size(self, key: str) -> int | None:
        try:
            with _failing(key):
                return (await obstore.head_async(self._store, checked(key)))["size"]
        except ObjectAbsent:
            return None

    async def listed(self, folder: str) -> list[Listed]:
        with _failing(folder):
            found = await obstore.list_with_delimiter_async(self._store, folder_of(folder) + "/")
        # Some servers list a folder that is empty as an object of its name.
        inside = (object for object in found["objects"] if object["path"].startswith(folder + "/"))
        return sorted((Listed(object["path"], object["size"]) for object in inside), key=lambda listed: listed.key)

    async def delete(self, keys: Collection[str]) -> None:
        names = [checked(key) for key in keys]
        if names:
            with _failing(names[0]):
                await obstore.delete_async(self._store, names)

    async def join(self, keys: Sequence[str], key: str) -> None:
        await self.put(key, self._one_after_another(keys))

    async def _one_after_another(self, keys: Sequence[str]) -> AsyncIterator[bytes]:
        for key in keys:
            async for part in self.read(key):
                yield part

    def presigned(self, key: str, within_s: int) -> str | None:
        with _failing(key):
            return obstore.sign(self._store, "PUT", checked(key), timedelta(seconds=within_s))


@contextmanager
def _failing(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectAbsent(key) from None
    except (BaseError, OSError) as fault:
        raise UnavailableError(f"S3 did not answer: {fault!r}"[:400]) from fault
