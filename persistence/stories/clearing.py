"""What is left of deleted stories is cleared away, a bounded part at a time, by all nodes: who saw it, and its picture
where nothing else shows that. What stays is the bare row, by which a retry of the request that made it is answered."""

from persistence.media.unused import give_up
from persistence.pool import Pool, transaction

WITHIN_S = 3.0
AT_ONCE = 500
"""Views that one transaction clears."""
AFTER_MS = 60_000
"""How long after it was deleted, or last looked at, a story's turn comes."""

CLAIM = """
select id, media from story where deleted_at <= statement_timestamp() - $1::bigint * interval '1 ms'
order by deleted_at limit 1 for no key update skip locked"""

VIEWS = """
with gone as (
  delete from story_view where story = $1::bigint and viewer = any(array(
    select viewer from story_view where story = $1 limit $2))
  returning 1)
select count(*) from gone"""

FINISH = """
with total as (delete from tally where thing = $1::bigint and kind = 'views')
update story set deleted_at = case when $2::bool then statement_timestamp() end where id = $1"""


async def clear(pool: Pool, after_ms: int = AFTER_MS) -> bool:
    """Clear some of what a story has left; False: there is none whose turn it is. Raises `UnavailableError`.

    A picture that nothing else shows is given up first, and goes the next time, when the pipeline has removed its
    objects.
    """
    async with transaction(pool, WITHIN_S) as connection:
        claimed = await connection.fetchrow(CLAIM, after_ms)
        if claimed is None:
            return False
        story, media = claimed
        if not await connection.fetchval(VIEWS, story, AT_ONCE):
            left = await give_up(connection, [media], "deleted")
            await connection.execute(FINISH, story, bool(left))
    return True
