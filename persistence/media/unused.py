"""Pictures that nothing shows: given up, and forgotten when the pipeline has removed their objects.

Whoever makes something of a picture holds its row until that is committed (`for share`), and takes none that was given
up; so it is held here too before anything is asked, and the statement after that sees whatever was made of it.
"""

from collections.abc import Sequence
from typing import Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from persistence.pool import Pool, transaction

WITHIN_S = 3.0
AT_ONCE = 100
"""Pictures that one transaction looks at."""

HOLD = "select from media where id = any($1::bigint[]) order by id for update"

# Whatever else is to show pictures belongs here, as into `persistence.privacy.MEDIA`. Clearing away is in no hurry:
# those go first for whom somebody waits.
GIVE_UP = """
with loose as materialized (
  select m.id, m.due_at, m.state from unnest($1::bigint[]) w (id) join media m on m.id = w.id
  where not exists (select from post_media x join post p on p.id = x.post
      where x.media = m.id and p.state <> 'deleted' offset 0)
    and not exists (select from story s where s.media = m.id and s.state <> 'deleted' offset 0)),
given_up as (
  update media m set state = 'rejected', reason = $2, thumbhash = null, perceptual = null,
    due_at = statement_timestamp(), turn = statement_timestamp() + interval '1 minute'
  where m.id = any(array(select id from loose where due_at is null and state <> 'rejected'))),
dropped as (
  delete from media m where m.id = any(array(select id from loose where due_at is null and state = 'rejected')))
select id from loose where due_at is not null or state <> 'rejected'"""

DUE = """
select id from media where unused_since <= statement_timestamp() - $1::bigint * interval '1 ms'
order by unused_since limit $2 for update skip locked"""

LOOKED = """
update media set unused_since = case when id = any($2::bigint[]) then statement_timestamp() end
where id = any($1::bigint[])"""


async def give_up(
    connection: "PoolConnectionProxy[asyncpg.Record]",
    media: Sequence[int],
    reason: Literal["deleted", "unused for too long"],
) -> list[int]:
    """Have the objects of those that nothing shows be removed, and forget those of which they are; which of them are
    left to be asked about again. Within a transaction."""
    await connection.execute(HOLD, media)
    return [row["id"] for row in await connection.fetch(GIVE_UP, media, reason)]


async def clear(pool: Pool, after_ms: int) -> bool:
    """Look at some pictures that came in so long ago, each once; False: there is none. Raises `UnavailableError`.

    What is given up is looked at once more after the same time, and forgotten then.
    """
    async with transaction(pool, WITHIN_S) as connection:
        media = [row["id"] for row in await connection.fetch(DUE, after_ms, AT_ONCE)]
        if media:
            await connection.execute(LOOKED, media, await give_up(connection, media, "unused for too long"))
    return bool(media)
