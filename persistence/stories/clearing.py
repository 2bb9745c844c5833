"""What is left of deleted stories is cleared away, a bounded part at a time, by all nodes: who saw it, and its picture
where nothing else shows that. What stays is the bare row, by which a retry of the request that made it is answered."""

from persistence.pool import Pool, transaction

WITHIN_S = 3.0
AT_ONCE = 500
"""Views that one transaction clears."""
AFTER_MS = 60_000
"""How long after it was deleted, or last looked at, a story's turn comes."""

CLAIM = """
select id from story where deleted_at <= statement_timestamp() - $1::bigint * interval '1 ms'
order by deleted_at limit 1 for no key update skip locked"""

VIEWS = """
with gone as (
  delete from story_view where story = $1::bigint and viewer = any(array(
    select viewer from story_view where story = $1 limit $2))
  returning 1)
select count(*) from gone"""

# Whoever makes something of a picture holds it too, so that the statement after this one sees what was made.
HOLD_PICTURE = "select from media where id = (select media from story where id = $1::bigint) for update"

# The pipeline removes the objects of what is rejected; the row goes the next time. What it is not done with waits.
PICTURE = """
with alone as materialized (
  select m.id, m.state from story x join media m on m.id = x.media where x.id = $1::bigint and m.due_at is null
    and not exists (select from post_media y join post p on p.id = y.post
      where y.media = m.id and p.state <> 'deleted' offset 0)
    and not exists (select from story s where s.media = m.id and s.state <> 'deleted' offset 0)),
given_up as (
  update media m set state = 'rejected', reason = 'deleted', thumbhash = null, perceptual = null,
    due_at = statement_timestamp()
  from alone where m.id = alone.id and alone.state <> 'rejected' returning 1),
dropped as (delete from media m using alone where m.id = alone.id and alone.state = 'rejected')
select exists (select from given_up) or exists (
  select from story x join media m on m.id = x.media where x.id = $1 and m.due_at is not null)"""

FINISH = """
with total as (delete from tally where thing = $1::bigint and kind = 'views')
update story set deleted_at = case when $2::bool then statement_timestamp() end where id = $1"""


async def clear(pool: Pool, after_ms: int = AFTER_MS) -> bool:
    """Clear some of what a story has left; False: there is none whose turn it is. Raises `UnavailableError`.

    A picture that nothing else shows is given up first, and goes the next time, when the pipeline has removed its
    objects.
    """
    async with transaction(pool, WITHIN_S) as connection:
        story = await connection.fetchval(CLAIM, after_ms)
        if story is None:
            return False
        if not await connection.fetchval(VIEWS, story, AT_ONCE):
            await connection.execute(HOLD_PICTURE, story)
            given_up = await connection.fetchval(PICTURE, story)
            await connection.execute(FINISH, story, given_up)
    return True
