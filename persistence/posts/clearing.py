"""What is left of deleted posts is cleared away, a bounded part at a time, by all nodes.

Nobody sees any of it any more, so nothing is in a hurry. What is left in the end is the bare row, by which a retry of
the request that made the post is answered. What others were told of likes and comments is taken back with them.
"""

from persistence.engagement.statements import TOLD_AS
from persistence.media.unused import give_up
from persistence.pool import Pool, transaction
from protocol.activity import ACTIVITY

WITHIN_S = 3.0
AT_ONCE = 500
"""Likes, and saves, that one transaction clears."""
THREADS, ANSWERS = 50, 20
"""Threads, and answers of each, that one transaction clears."""
AFTER_MS = 60_000
"""How long after it was deleted, or last looked at, a post's turn comes."""

CLAIM = """
select id from post where deleted_at <= statement_timestamp() - $1::bigint * interval '1 ms'
order by deleted_at limit 1 for no key update skip locked"""

LIKES = f"""
with gone as (
  delete from post_like where post = $1::bigint and user_id = any(array(
    select user_id from post_like where post = $1 order by user_id limit $2))
  returning user_id),
untold as (
  insert into outbox (topic, body)
  select '{ACTIVITY}', activity('like', g.user_id, p.author, p.id, '', '', true, statement_timestamp())
  from gone g join post p on p.id = $1 where p.author <> g.user_id)
select count(*) from gone"""

SAVES = """
with gone as (
  delete from post_save where post = $1::bigint and user_id = any(array(
    select user_id from post_save where post = $1 limit $2))
  returning 1)
select count(*) from gone"""


def _untold(people: str) -> str:
    body = f"activity({TOLD_AS[people]}, c.author, x.user_id, c.post, c.id::text, '', true, c.deleted_at)"
    return f"""insert into outbox (topic, body)
  select '{ACTIVITY}', {body} from gone c cross join lateral unnest(c.{people}) x (user_id)"""


# Their cids are taken for ever, as is the post's: the bare rows stay. A thread goes after the last of its answers.
COMMENTS = f"""
with threads as materialized (
  select id from comment where post = $1::bigint and parent is null and deleted_at is null order by at, id
  limit {THREADS}),
answers as materialized (
  select a.id, a.parent from threads t cross join lateral (
    select id, parent from comment where parent = t.id and deleted_at is null limit {ANSWERS}) a),
gone as (
  update comment c set deleted_at = statement_timestamp(), clear_at = statement_timestamp(), text = null
  where c.id = any(array(
    select id from answers
    union all select id from threads t where (select count(*) from answers where parent = t.id) < {ANSWERS}))
    and c.deleted_at is null
  returning c.id, c.post, c.author, c.told, c.mentioned, c.deleted_at),
unsaid as ({_untold("told")}),
unnamed as ({_untold("mentioned")})
select count(*) from gone"""

PICTURES = "select media from post_media where post = $1::bigint"

# Those that something else shows are no concern of this post, nor are those that are gone.
SETTLED = "delete from post_media where post = $1::bigint and media <> all($2::bigint[])"

FINISH = """
with hashtags as (delete from post_hashtag where post = $1::bigint),
people as (delete from post_person where post = $1),
totals as (delete from tally where thing = $1)
update post set caption = null, place = null,
  deleted_at = case when exists (select from post_media where post = $1 offset 0) then statement_timestamp() end
where id = $1"""


async def clear(pool: Pool, after_ms: int = AFTER_MS) -> bool:
    """Clear some of what a post has left; False: there is none whose turn it is. Raises `UnavailableError`.

    Pictures that nothing else shows are given up first, and go the next time, when the pipeline has removed their
    objects.
    """
    async with transaction(pool, WITHIN_S) as connection:
        post = await connection.fetchval(CLAIM, after_ms)
        if post is None:
            return False
        cleared = await connection.fetchval(COMMENTS, post)
        for statement in (LIKES, SAVES):
            cleared += await connection.fetchval(statement, post, AT_ONCE)
        if not cleared:
            pictures = [row["media"] for row in await connection.fetch(PICTURES, post)]
            await connection.execute(SETTLED, post, await give_up(connection, pictures, "deleted"))
            await connection.execute(FINISH, post)
    return True
