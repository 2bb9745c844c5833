"""The fold: what was appended since is added to the totals."""

from persistence.pool import Pool, fetch

WITHIN_S = 2.0
AT_ONCE = 5_000
"""Changes of one fold, in one transaction."""

# The oldest that nobody else is folding. A change whose transaction ends late is among the oldest by then, so that
# none is left behind. Totals are locked in the order of their things, by everybody. What was locked by `for update`
# cannot move or go, so that its place finds it.
FOLD = f"""
with taken as (select ctid from tally_change order by id limit {AT_ONCE} for update skip locked),
gone as (delete from tally_change where ctid = any(array(select ctid from taken)) returning id, thing, kind, change),
added as (
  insert into tally (thing, kind, total, folded_to)
  select thing, kind, sum(change), max(id) from gone group by thing, kind order by thing, kind
  on conflict (thing, kind) do update
    set total = tally.total + excluded.total, folded_to = greatest(tally.folded_to, excluded.folded_to))
select count(*) from gone"""


async def fold(pool: Pool) -> int:
    """Add up to `AT_ONCE` changes to the totals, in one transaction; with fewer, nothing is left but what others fold.

    Several may do it at once. Whether it happened is not known after `UnavailableError`, and does not matter: a change
    is there until it was added. Returns how many there were.
    """
    return sum(row[0] for row in await fetch(pool, WITHIN_S, FOLD))
