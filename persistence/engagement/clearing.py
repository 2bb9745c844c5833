"""What is left of deleted comments is cleared away, a bounded part at a time, by all nodes: answers, if deleting their
thread was interrupted; likes, which are taken back where they were told; totals. The bare rows stay for their cids."""

from persistence.engagement.statements import HIDE
from persistence.pool import Pool, transaction
from protocol.activity import ACTIVITY

WITHIN_S = 3.0
AT_ONCE = 100
"""Comments that one transaction looks at."""
EDGES = 500
"""Likes, and answers of one comment, that one transaction clears."""
AFTER_MS = 60_000
"""How long after it was deleted, or an answer to it was, a comment's turn comes: by then all of that is folded."""

CLAIM = f"""
select id from comment where clear_at <= statement_timestamp() - $1::bigint * interval '1 ms'
order by clear_at limit {AT_ONCE} for no key update skip locked"""

ANSWERED = """
select w.id from unnest($1::bigint[]) w (id)
where exists (select from comment a where a.parent = w.id and a.deleted_at is null offset 0)"""

LATER = "update comment set clear_at = statement_timestamp() where id = $1::bigint"

LIKES = f"""
with taken as materialized (
  select l.comment, l.user_id from unnest($1::bigint[]) w (id) cross join lateral (
    select comment, user_id from comment_like where comment = w.id limit {EDGES}) l limit {EDGES}),
gone as (
  delete from comment_like l using taken s where l.comment = s.comment and l.user_id = s.user_id
  returning l.comment, l.user_id)
insert into outbox (topic, body)
select '{ACTIVITY}', activity('comment_like', g.user_id, c.author, c.id, '', '', true, statement_timestamp())
from gone g join comment c on c.id = g.comment where c.author <> g.user_id"""

FINISH = """
with done as (
  update comment c set clear_at = null where c.id = any($1::bigint[])
    and not exists (select from comment_like l where l.comment = c.id offset 0) returning c.id)
delete from tally where thing = any(array(select id from done))"""


async def clear(pool: Pool, after_ms: int = AFTER_MS) -> bool:
    """Clear some of what comments have left; False: there is none whose turn it is. Raises `UnavailableError`."""
    async with transaction(pool, WITHIN_S) as connection:
        comments = [row["id"] for row in await connection.fetch(CLAIM, after_ms)]
        if not comments:
            return False
        answered = {row["id"] for row in await connection.fetch(ANSWERED, comments)}
        for comment in answered:
            if await connection.fetchval(HIDE, comment, EDGES) < EDGES:
                await connection.execute(LATER, comment)
        await connection.execute(LIKES, comments)
        await connection.execute(FINISH, [comment for comment in comments if comment not in answered])
    return True
