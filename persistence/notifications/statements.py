"""The SQL of notifications: walks along indexes, see `persistence.pool.SESSION`.

`offset 0` keeps an `exists` a look by key: planned while the tables are small, it would else read one of them whole.
"""

from persistence.badge import unread, unseen
from persistence.graph.predicates import SILENCED
from persistence.privacy import COMMENT, POST

_NOW = "(extract(epoch from statement_timestamp()) * 1000)::bigint"

HOLD = "select user_id, preferences from notifier where user_id = any($1::bigint[]) order by user_id for update"
HOLD_FREE = f"{HOLD} skip locked"
ADD = "insert into notifier (user_id) select * from unnest($1::bigint[]) on conflict do nothing"

# By recipient, kind, target, actor and deed. `pairs` are the deeds that stand of this actor on this target, by group.
TOUCHED = f"""
select {_NOW}, d.event, d.notification, d.undone, d.window_number, d.quiet_until,
  t.id, a.id, p.groups, p.counts,
  {SILENCED.format(one="w.recipient", other="w.actor")},
  exists (select from follow f where f.follower = w.recipient and f.followee = w.actor and not f.requested
    offset 0),
  next_id((w.recipient >> 10 & 8191)::int)
from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[]) with ordinality
  w (recipient, kind, target, actor, deed, n)
left join noted d on d.recipient = w.recipient and d.kind = w.kind and d.target = w.target and d.actor = w.actor
  and d.deed = w.deed
left join lateral (select g.id from notification g where g.user_id = w.recipient and g.kind = w.kind
  and g.target = w.target order by g.id desc limit 1) t on true
left join lateral (select g.id from notification g where g.user_id = w.recipient and g.kind = w.kind
  and g.actor = w.actor order by g.id desc limit 1) a on true
left join lateral (select array_agg(x.notification) as groups, array_agg(x.count) as counts from (
  select s.notification, count(*) from noted s where s.recipient = w.recipient and s.kind = w.kind
    and s.target = w.target and s.actor = w.actor and not s.undone group by s.notification) x) p on true
order by w.n"""

_COLUMNS = """g.id, g.user_id, g.kind, g.target, g.actor, g.members, g.seen, g.listed, g.opened_at, g.updated_at,
  g.window_number, g.due_at, g.held"""
GROUPS = f"select {_COLUMNS} from notification g where g.id = any($1::bigint[])"

_AS_GROUPS = """unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::boolean[],
  $8::boolean[], $9::bigint[], $10::bigint[], $11::int[], $12::bigint[], $13::boolean[])
  w (id, user_id, kind, target, actor, members, seen, listed, opened_at, updated_at, window_number, due_at, held)"""
OPEN = f"""
insert into notification (id, user_id, kind, target, actor, members, seen, listed, opened_at, updated_at,
  window_number, due_at, held)
select * from {_AS_GROUPS}"""
CHANGE = f"""
update notification g set target = w.target, actor = w.actor, members = w.members, seen = w.seen, listed = w.listed,
  updated_at = w.updated_at, window_number = w.window_number, due_at = w.due_at, held = w.held
from {_AS_GROUPS} where g.id = w.id"""
DROP = "delete from notification where id = any($1::bigint[])"
NOTE = """
insert into noted (recipient, kind, target, actor, deed, event, notification, undone, window_number, quiet_until, text)
select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
  $8::boolean[], $9::int[], $10::bigint[], $11::text[])
on conflict (recipient, kind, target, actor, deed) do update set event = excluded.event,
  notification = excluded.notification, undone = excluded.undone, window_number = excluded.window_number,
  quiet_until = excluded.quiet_until, text = excluded.text, at = statement_timestamp()"""

# What was said of a post is read as long as that is: a comment where it is the deed, else the caption.
_TEXT = f"""case when s.text <> '' and (g.kind <> all('{{comment,reply,mention,tag}}'::text[])
    or case when s.deed <> ''
      then exists (select from comment c where c.id = s.deed::bigint
        and {COMMENT.format(viewer="g.user_id", comment="c")} offset 0)
      else exists (select from post p where p.id = s.targets[1]::bigint
        and {POST.format(viewer="g.user_id", post="p")} offset 0) end) then s.text else '' end"""

# Who is hidden is looked for in the group by its primary key, as they are few and the group may be large (`+ 0` keeps
# the other index out). Nobody stands for the system itself.
_SIGHT = f"""{_COLUMNS},
  case when g.actor is not null
      then case when {SILENCED.format(one="g.user_id", other="g.actor")} then 0 else g.members end
    when g.target is null then g.members
    else g.members - (select count(*) from (
      select r.target as id from relation r where r.user_id = g.user_id
        and r.kind = any('{{block,mute,restrict}}'::text[])
      union select r.user_id from relation r where r.target = g.user_id and r.kind = 'block') h
    where exists (select from noted n where n.recipient = g.user_id and n.kind = g.kind and n.target = g.target
      and n.actor = h.id and n.notification + 0 = g.id and not n.undone offset 0)) end,
  g.due_at is not null and exists (select from noted n where n.notification = g.id and not n.undone
    and n.window_number = g.window_number and not {SILENCED.format(one="g.user_id", other="n.actor")} offset 0),
  s.actors, s.usernames, s.names, s.targets, {_TEXT}"""
_SAMPLES = f"""
left join lateral (select array_agg(x.actor order by x.event desc) as actors,
    array_agg(x.username order by x.event desc) as usernames, array_agg(x.name order by x.event desc) as names,
    array_agg(x.target order by x.event desc) as targets, (array_agg(x.deed order by x.event desc))[1] as deed,
    (array_agg(x.text order by x.event desc))[1] as text from (
  select n.actor, n.event, n.target, n.deed, n.text, a.username, a.name
  from noted n left join account a on a.id = n.actor
  where n.notification = g.id and not n.undone and not {SILENCED.format(one="g.user_id", other="n.actor")}
    and (a.id is not null or n.actor = 0)
  order by n.event desc limit $1) x) s on true"""
DUE = f"select id, user_id from notification where due_at <= {_NOW} order by due_at limit $1"
DUE_SIGHTS = f"""
select {_SIGHT}
from unnest($2::bigint[]) w (id) join notification g on g.id = w.id and g.due_at <= {_NOW}
{_SAMPLES}"""
READERS = f"""
select {_NOW}, w.user_id, p.preferences, a.settings ->> 'locale', {unseen("w.user_id")}, {unread("w.user_id")}
from unnest($1::bigint[]) w (user_id) left join notifier p on p.user_id = w.user_id
left join account a on a.id = w.user_id"""
BADGE_OF = f"select {unseen('w.user_id')} from (select $1::bigint as user_id) w"
NEXT_DUE = f"select min(due_at) - {_NOW} from notification where due_at is not null"
COUNT_DUE = "select count(*) from notification where due_at is not null"
PUSH = """
insert into push_job (user_id, key, kind, collapse, channels, sender, notification, summary, body, expires_at)
select w.user_id, w.key, w.kind, w.collapse, string_to_array(w.channels, ' '), w.sender,
  case when cardinality(n.ids) = 1 then n.ids[1] end, case when cardinality(n.ids) > 1 then n.ids end, w.body,
  to_timestamp(w.expires_at / 1000.0)
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::bytea[],
  $9::bigint[]) w (user_id, key, kind, collapse, channels, sender, notifications, body, expires_at)
cross join lateral (select string_to_array(w.notifications, ' ')::bigint[] as ids) n
on conflict (user_id, key) do nothing"""

# It waits for whoever decides about this person. What they changed meanwhile is judged as it stands then.
SEE = """
with held as materialized (select user_id from notifier where user_id = $1 for update)
update notification g set seen = true, due_at = null, held = false,
  window_number = g.window_number + (g.due_at is not null)::int
from held where g.user_id = held.user_id and not g.seen and g.listed and g.updated_at <= $2 returning g.id"""
# One row at least, so that whose page it is comes with it: a snapshot costs one round trip.
PAGE = f"""
select a.settings ->> 'locale', {unseen("w.user_id")}, {_SIGHT}
from (select $2::bigint as user_id) w
left join account a on a.id = w.user_id
left join lateral (select * from notification where user_id = w.user_id and listed and (updated_at, id) < ($3, $4)
  order by updated_at desc, id desc limit $5) g on true
{_SAMPLES}
order by g.updated_at desc, g.id desc"""
SIGHTS = f"""
select {_SIGHT}
from unnest($2::bigint[]) w (id) join notification g on g.id = w.id and g.listed
{_SAMPLES}"""
LOCALES = """
select w.user_id, a.settings ->> 'locale' from unnest($1::bigint[]) w (user_id) join account a on a.id = w.user_id"""
PREFERENCES = "select preferences from notifier where user_id = $1"
PREFER = "update notifier set preferences = $2 where user_id = $1"

# Ids begin with the time at which they were drawn. Deeds go first, as one group may have a million of them.
_OLD = f"select id from notification where id < ({_NOW} - $1 - 1735689600000) << 23 order by id limit $2"
TRIM_DEEDS = f"""
delete from noted n using (
  select d.recipient, d.kind, d.target, d.actor, d.deed
  from ({_OLD}) o join noted d on d.notification = o.id and not d.undone limit $2) w
where (n.recipient, n.kind, n.target, n.actor, n.deed) = (w.recipient, w.kind, w.target, w.actor, w.deed)
  and not n.undone returning n.event"""
TRIM_GROUPS = f"""
delete from notification g using ({_OLD}) o
where g.id = o.id and not exists (select from noted n where n.notification = o.id and not n.undone offset 0)
returning g.id"""
TRIM_UNDONE = """
delete from noted n using (select recipient, kind, target, actor, deed from noted
  where undone and at < statement_timestamp() - make_interval(secs => $1 / 1000.0) order by at limit $2) o
where (n.recipient, n.kind, n.target, n.actor, n.deed) = (o.recipient, o.kind, o.target, o.actor, o.deed)
  and n.undone returning n.event"""
