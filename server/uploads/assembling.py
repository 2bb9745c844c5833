"""One object of the pieces in which an upload arrived."""

from persistence.objects.contract import Listed, Objects
from protocol.media import MediaId


class IncompleteError(Exception):
    """Pieces are missing: another one is assembling right now, or they are gone."""


def piece_key(upload: str, start: int, claim: int) -> str:
    """Where the piece from `start` lies that the writer of this claim brought."""
    return f"{pieces_of(upload)}/{start}.{claim}"


def pieces_of(upload: str) -> str:
    """The folder of an upload's pieces."""
    return f"upload/{upload}"


async def assemble(objects: Objects, upload: MediaId, key: str, length: int | None = None) -> None:
    """Join the pieces of an upload that was received to the object `key`, and remove them.

    Idempotent: it may be done again at any time, and from wherever it was broken off. Memory stays bounded. With
    `length`, in bytes, nothing shorter is made. Raises IncompleteError, UnavailableError.
    """
    pieces = await objects.listed(pieces_of(upload))
    if await objects.size(key) is None:
        chain = chained(pieces)
        found = sum(piece.size for piece in chain)
        if not chain or (length is not None and found != length):
            raise IncompleteError(f"upload {upload}: {found} bytes are there of {length}")
        await objects.join([piece.key for piece in chain], key)
    await objects.delete([piece.key for piece in pieces])


def chained(pieces: list[Listed]) -> list[Listed]:
    """The pieces that were accepted, in order, from 0 on.

    Beside them there may be others that were not: of a writer that died, was overtaken, or whose checksum was wrong.
    Where several begin at one place, that of the latest claim counts: who claims later begins after what has been
    accepted, so nobody later can have begun there too.
    """
    at: dict[int, tuple[int, Listed]] = {}
    for piece in pieces:
        start, claim = map(int, piece.key.rpartition("/")[2].split("."))
        if start not in at or at[start][0] < claim:
            at[start] = claim, piece
    chain, end = [], 0
    while end in at:
        chain.append(at[end][1])
        end += at[end][1].size
        if not chain[-1].size:
            break
    return chain
