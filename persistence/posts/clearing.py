"""What is left of deleted posts is cleared away, a bounded part at a time, by all nodes.

Nobody sees any of it any more, so nothing is in a hurry. What is left in the end is the bare row, by which a retry of
the request that made the post is answered. What others were told of likes and comments is taken back with them.
"""

from persistence.engagement.statements import TOLD_AS
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
  returning c.id, c.post, c.author, c.told, c.mentioned, c.deleted_at),
unsaid as ({_untold("told")}),
unnamed as ({_untold("mentioned")})
select count(*) from gone"""

# Whoever makes something of a picture holds it too, so that the statement after this one sees what was made.
HOLD_PICTURES = """
select from post_media x join media m on m.id = x.media where x.post = $1::bigint order by m.id for update of m"""

# What nothing else shows.
_ALONE = """
select m.id from post_media x join media m on m.id = x.media
where x.post = $1::bigint and m.due_at is null
  and not exists (select from post_media y join post p on p.id = y.post
    where y.media = m.id and y.post <> x.post and p.state <> 'deleted' offset 0)
  and not exists (select from story s where s.media = m.id and s.state <> 'deleted' offset 0)"""

# The pipeline removes the objects of what is rejected. What it is not done with stays for now.
PICTURES = f"""
with alone as materialized ({_ALONE}),
given_up as (
  update media m set state = 'rejected', reason = 'deleted', thumbhash = null, perceptual = null,
    due_at = statement_timestamp()
  where m.id = any(array(select id from alone)) and m.state <> 'rejected'),
dropped as (
  delete from media m where m.id = any(array(select id from alone)) and m.state = 'rejected' returning m.id)
delete from post_media where post = $1 and media in (select id from dropped)"""

# Pictures that something else shows are no concern of this post, nor are those that went with something else.
SHARED = """
delete from post_media x where x.post = $1::bigint and (
  not exists (select from media m where m.id = x.media offset 0)
  or exists (select from post_media y join post p on p.id = y.post
    where y.media = x.media and y.post <> x.post and p.state <> 'deleted' offset 0)
  or exists (select from story s where s.media = x.media and s.state <> 'deleted' offset 0))"""

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
            for statement in (HOLD_PICTURES, SHARED, PICTURES, FINISH):
                await connection.execute(statement, post)
    return True
