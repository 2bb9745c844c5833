"""Whether a picture may be shown at all, asked before anybody but its owner can see it."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from persistence.media.likeness import PostgresLikeness
from protocol.ids import UserId
from protocol.media import MediaId


class Candidate(Struct, frozen=True):
    """A picture whose variants are kept under these keys of the objects. `perceptual` is PDQ's hash, None for what is
    too plain; `alike` are others of the owner's pictures that look like it."""

    media: MediaId
    owner: UserId
    variants: Sequence[str]
    perceptual: bytes | None
    alike: Sequence[MediaId]


Moderate = Callable[[Candidate], Awaitable[bool]]
"""May it be shown? Asked at least once for each picture; raises `UnavailableError` to be asked again later."""


class BlockedPictures:
    """The default: refuses what looks like a picture that is blocked (`tidings admin media block`)."""

    def __init__(self, likeness: PostgresLikeness) -> None:
        self._likeness = likeness

    async def may(self, candidate: Candidate) -> bool:
        """The `Moderate` of it."""
        return candidate.perceptual is None or not await self._likeness.blocked(candidate.perceptual)
