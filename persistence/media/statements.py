"""The SQL of pictures: walks along indexes, see `persistence.pool.SESSION`."""

from persistence.privacy import MEDIA

# What is written later is known by the number of the claim: who was overtaken changes nothing. By turns, not by when
# they are due, along the index of turns: few are not due that have their turn before one that is.
CLAIM = """
with due as materialized (
  select id from media where due_at is not null and coalesce(due_at, 'infinity') <= statement_timestamp()
  order by turn limit 1 for update skip locked)
update media m set claim = m.claim + 1, attempts = m.attempts + 1,
  due_at = statement_timestamp() + $1 * interval '1 ms'
from due where m.id = due.id
returning m.id, m.owner, m.state, m.bytes, m.steps, m.claim, m.attempts, m.width, m.reason"""
RECORD = """
update media set steps = steps || $3::jsonb, due_at = statement_timestamp() + $4 * interval '1 ms'
where id = $1 and claim = $2 returning id"""
# Its turn is then: what fails all the time would else go before what is new. When all that is left is to put it away,
# for which nobody waits, it comes after whatever is: while the store of originals is away, each try may take seconds.
POSTPONE = """
update media set due_at = statement_timestamp() + $3 * interval '1 ms', reason = coalesce($4, reason),
  turn = greatest(turn, statement_timestamp() + $3 * interval '1 ms'
    + case when state = 'processing' then interval '0' else interval '1 hour' end),
  attempts = attempts - case when $4::text is null then 1 else 0 end
where id = $1 and claim = $2 returning id"""
SETTLE = """
with settled as (
  update media set state = $3, type = $4, width = $5, height = $6, thumbhash = $7, perceptual = $8, reason = $9,
    due_at = statement_timestamp() + $10 * interval '1 ms'
  where id = $1 and claim = $2 and state = 'processing' returning id)
insert into outbox (topic, body) select $11, $12 from settled returning 1"""
# Whoever else has it, or had, does what is left anew: by then what was written beside them is there. A state
# comes once, so this ends.
AGAIN = """
update media set claim = claim + 1, due_at = statement_timestamp()
where id = $1 and claim <> $2 and state <> 'processing' and state <> $3 returning id"""
FINISH = "update media set due_at = null where id = $1 and claim = $2 returning id"

NEAR = 31
"""By how many bits of 256 at most two hashes of the same picture differ, as PDQ's authors found."""
MOST_COMPARED = 10_000
PARTS, PART_BITS = 16, 16

ALIKE = f"""
select x.id from (select id, perceptual from media where owner = $1 and id <> $2 and perceptual is not null
  order by id desc limit {MOST_COMPARED}) x
where bit_count(x.perceptual # $3::bit(256)) <= {NEAR} order by x.id desc limit 100"""


def _part(part: int) -> str:
    """Whatever has this part of the hash, or it but for one bit: the 17 numbers of that in the array."""
    first = part * (PART_BITS + 1) + 1
    return f"""
select b.hash, b.note from unnest(($2::int[])[{first}:{first + PART_BITS}]) w (part)
join blocked_picture b on (substring(b.hash from {part * PART_BITS + 1} for {PART_BITS})::bit(16)::int) = w.part
where bit_count(b.hash # $1::bit(256)) <= {NEAR}"""


BLOCKED = f"select hash, note from ({' union all '.join(_part(part) for part in range(PARTS))}) x limit 1"
BLOCK = "insert into blocked_picture (hash, note) values ($1, $2) on conflict (hash) do nothing returning 1"
UNBLOCK = "delete from blocked_picture where hash = $1 returning 1"
HASH = "select perceptual from media where id = $1"

# Until when is judged by the same clock as a story's end.
SERVED = f"""
select m.width, floor($3::bigint - extract(epoch from statement_timestamp()) * 1000)::bigint as left_ms
from media m where m.id = $2::bigint and m.state = 'ready'
  and statement_timestamp() < timestamptz 'epoch' + $3::bigint * interval '1 ms'
  and {MEDIA.format(viewer="$1::bigint", media="m")}"""
WAITING = """
select count(*) as waiting from (
  select from media where due_at <= statement_timestamp() and state = 'processing' limit 100000) x"""
