"""Pictures as rows, without an upload and a pipeline."""

from persistence.pool import Pool
from protocol.media import MediaId

_INSERT = """
insert into media (id, owner, state, bytes, width, height, thumbhash, reason, due_at)
values (coalesce($1::bigint, next_id(7)), $2, $3, 1000, 640, 480, $5, $4, null) returning id"""
THUMBHASH = b"\x01\x02"


async def brought(
    pool: Pool, owner: str, state: str = "ready", reason: str | None = None, id: str | None = None
) -> MediaId:
    """A picture of theirs that the pipeline is done with, or will never come to."""
    return MediaId(str(await pool.fetchval(_INSERT, id and int(id), int(owner), state, reason, THUMBHASH)))
