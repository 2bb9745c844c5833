"""The SQL of pushes for messages: every statement is a walk along keys, and planned as one (`persistence.pool`)."""

from persistence.badge import unread, unseen
from persistence.conversations.views import MESSAGE
from persistence.graph.predicates import SILENCED

_MUTED = "coalesce((m.settings ->> 'mute_until')::numeric > extract(epoch from statement_timestamp()) * 1000, false)"

_UNWANTED = SILENCED.format(one="m.user_id", other="w.sender")

# A request is pushed once until it is looked at: a stranger must not be able to make a telephone ring all day.
_DUE = f"""m.left_c = 0 and m.joined_c <= w.c and greatest(m.read_c, m.pushed_c) < w.c
    and (m.folder = 'inbox' or m.folder = 'requests' and m.pushed_c <= m.read_c)
    and not {_MUTED} and not {_UNWANTED}"""

# Who has set something may want mail, without any device.
_REACHABLE = """(exists (select from device d where d.user_id = {0} offset 0)
    or exists (select from notifier p where p.user_id = {0} and p.preferences is not null offset 0))"""

# Who has no device costs two looks at an index, and nothing else.
LOOK = f"""
select d.reachable, m.folder, k.title, coalesce(nullif(s.name, ''), s.username), a.settings ->> 'locale', b.badge,
  p.preferences, exists (select from follow f where f.follower = m.user_id and f.followee = s.id and not f.requested)
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
  with ordinality w (user_id, conversation, c, sender, n)
cross join lateral (select {_REACHABLE.format("w.user_id")} as reachable offset 0) d
left join lateral (
  select m.conversation, m.user_id, m.folder from member m
  where m.conversation = case when d.reachable then w.conversation end and m.user_id = w.user_id and {_DUE} offset 0)
  m on true
left join conversation k on k.id = m.conversation
left join account s on s.id = case when m.user_id is not null then w.sender end
left join account a on a.id = m.user_id
left join notifier p on p.user_id = m.user_id
left join lateral (select {unseen("m.user_id")} + {unread("m.user_id")} as badge where m.user_id is not null) b on true
order by w.n"""

# What is held until later, as in quiet hours, gives way to what comes after it: there is one alert in the morning.
# It waits for nobody: a member whose marks are being written is left out and asked again. So it can be in no deadlock
# with a commit, which holds marks of many conversations.
WRITE = """
with want as materialized (
  select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
    $8::bytea[], $9::bigint[])
    with ordinality w (user_id, conversation, c, upto, sender, kind, channels, body, hold_ms, n)),
held as materialized (
  select w.* from want w join member m on m.conversation = w.conversation and m.user_id = w.user_id
  for no key update of m skip locked),
moved as (
  update member m set pushed_c = h.upto from held h
  where m.conversation = h.conversation and m.user_id = h.user_id
    and m.left_c = 0 and greatest(m.read_c, m.pushed_c) < h.c
  returning h.*),
superseded as (
  update push_job j set state = 'dropped', reason = 'superseded' from moved h
  where j.user_id = h.user_id and j.collapse = 'conversation:' || h.conversation and j.state = 'waiting'
    and j.due_at > statement_timestamp()),
put as (
  insert into push_job (user_id, key, kind, collapse, sender, conversation, c, channels, body, due_at, expires_at)
  select user_id, 'message:' || conversation || ':' || c, kind, 'conversation:' || conversation, sender, conversation,
    c, string_to_array(channels, ' '), body, statement_timestamp() + hold_ms * interval '1 millisecond',
    statement_timestamp() + (hold_ms + $10::bigint) * interval '1 millisecond'
  from moved on conflict (user_id, key) do nothing returning 1)
select array(select n from held), (select count(*) from put)"""

SWEPT = """
select (extract(epoch from coalesce(min(s.until), statement_timestamp())) * 1000)::bigint, count(s.until)
from unnest($1::smallint[]) g (shard_group) left join swept s on s.shard_group = g.shard_group"""

MARK = """
insert into swept (shard_group, until)
select g, to_timestamp($2::bigint / 1000.0) from unnest($1::smallint[]) g order by g
on conflict (shard_group) do update set until = greatest(swept.until, excluded.until)"""

# The time is in microseconds, as it is kept, so that a page ends exactly where the next begins. The row without users
# says where a full page ended.
SWEEP = f"""
with page as materialized (
  select conversation, c, sender, stored_at, body from event
  where stored_at >= timestamptz 'epoch' + $1::bigint * interval '1 microsecond'
    and stored_at < to_timestamp($4::bigint / 1000.0)
    and (stored_at, conversation, c) > (timestamptz 'epoch' + $1 * interval '1 microsecond', $2::bigint, $3::bigint)
    and kind = {MESSAGE} and get_bit($5::bytea, ((conversation >> 10) & 8191)::int) = 1
  order by stored_at, conversation, c limit $6)
select p.body, o.users, null::bigint, p.conversation, p.c
from page p cross join lateral (
  select array_agg(m.user_id::text) as users from member m
  where m.conversation = p.conversation and m.user_id <> p.sender and m.left_c = 0 and m.joined_c <= p.c
    and greatest(m.delivered_c, m.read_c, m.pushed_c) < p.c
    and {_REACHABLE.format("m.user_id")}) o
where o.users is not null
union all (
  select null, null, (extract(epoch from p.stored_at) * 1000000)::bigint, p.conversation, p.c from page p
  where (select count(*) from page) = $6 order by p.stored_at desc, p.conversation desc, p.c desc limit 1)"""
