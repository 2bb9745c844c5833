"""Whether somebody may see what they share with a message."""

from persistence.pool import Pool
from persistence.privacy import may_see
from protocol.ids import UserId
from protocol.shares import Share


async def seen_share(pool: Pool, user: UserId, share: Share) -> bool:
    """Now, by the condition that every read of it goes by. Raises `UnavailableError`."""
    return bool(await may_see(pool, user, share.kind, [share.id]))
