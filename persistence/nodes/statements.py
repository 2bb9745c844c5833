"""The SQL of membership. Statements lock rows of `node` first and the row of `placement` last.

In READ COMMITTED whoever gets a row after a wait looks at its newest version: a renewal and a removal of one lease meet
there, and the predicate of the removal is tested again. Every time is that of the database when the statement began.
"""

from persistence.nodes.contract import LEASE_MS, OUTAGE_MS, RECENT_MS

_NOW = "statement_timestamp()"
_RECENT = f"interval '{RECENT_MS} milliseconds'"
_LEASE = f"interval '{LEASE_MS} milliseconds'"

# True when nobody renewed for so long that it must have been the database; asked before anything is written.
_AWAY = f"(select max(renewed_at) < {_NOW} - interval '{OUTAGE_MS} milliseconds' as away from node)"
_GRACE = f"case when o.away then {_NOW} + {_LEASE} else p.grace_until end"

JOIN = f"""
with outage as materialized {_AWAY},
earlier as materialized (select incarnation from node where name = $2 and incarnation <> $1 for update),
joined as (
  insert into node as n (incarnation, name, url, address, private)
  select $1, $2, $3, $4, $5 from (select count(*) from earlier) looked
  on conflict (name) do update set (incarnation, url, address, private, confirmed, renewed_at)
    = (excluded.incarnation, excluded.url, excluded.address, excluded.private, 0, {_NOW})
  returning n.incarnation),
ended as (insert into ended_life (incarnation) select incarnation from earlier),
forgotten as (delete from ended_life where ended_at < {_NOW} - {_RECENT})
update placement p set version = p.version + 1, grace_until = {_GRACE}
from outage o where exists (select from joined)"""

# Of those whose lease has run out, one that somebody else has locked is being renewed or removed: it is not waited for.
RENEW = f"""
with outage as materialized {_AWAY},
mine as (
  update node set renewed_at = greatest(renewed_at, {_NOW}), confirmed = greatest(confirmed, $2)
  where incarnation = $1 returning incarnation),
silent as materialized (
  select n.incarnation from node n, placement p, outage o
  where exists (select from mine) and not o.away and p.grace_until <= {_NOW}
    and n.incarnation <> $1 and n.renewed_at < {_NOW} - {_LEASE}
  for update of n skip locked),
gone as (
  delete from node where incarnation = any(array(select incarnation from silent)) returning incarnation),
ended as (insert into ended_life (incarnation) select incarnation from gone),
changed as (
  update placement p set version = p.version + (exists (select from gone))::int, grace_until = {_GRACE}
  from outage o where exists (select from mine) and (o.away or exists (select from gone)))
select incarnation from mine"""

_END = """
with gone as (delete from node where {whose} = $1 returning incarnation),
ended as (insert into ended_life (incarnation) select incarnation from gone)
update placement set version = version + 1 where exists (select from gone)"""
LEAVE = _END.format(whose="incarnation")
REMOVE = _END.format(whose="name")

# Only what this software runs stores events: somebody else's long transaction, a backup perhaps, holds nothing up.
_OLDEST = """
  select min(xact_start) from pg_stat_activity where backend_type = 'client backend' and datname = current_database()
    and usename = current_user and pid <> pg_backend_pid() and application_name ^@ 'tidings'"""

LOOK = f"""
select p.version, floor(extract(epoch from least({_NOW}, ({_OLDEST}))) * 1000)::bigint,
  array(select e.incarnation from ended_life e
    where e.ended_at > {_NOW} - {_RECENT} order by e.ended_at, e.incarnation),
  array(select floor(extract(epoch from e.ended_at) * 1000)::bigint from ended_life e
    where e.ended_at > {_NOW} - {_RECENT} order by e.ended_at, e.incarnation),
  n.incarnation, n.name, n.url, n.address, n.private, n.confirmed
from placement p left join node n on true order by n.name collate "C" """

# All are told before the first is waited for.
CUT_OFF = """
with theirs as materialized (
  select pid from pg_stat_activity
  where usename = current_user and application_name = 'tidings ' || $1::text and pid <> pg_backend_pid()),
told as materialized (select array(select pid from theirs where pg_terminate_backend(pid)) as pids)
select pid, pg_terminate_backend(pid, $2) from told, unnest(told.pids) pid"""
# A life that goes on connects anew: that is not what was running.
LEFT = """
select count(*) from pg_stat_activity where pid = any($2::int[]) and application_name = 'tidings ' || $1::text"""
