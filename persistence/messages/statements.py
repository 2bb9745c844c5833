"""The SQL of pushes for messages: every statement is a walk along keys, and planned as one (`persistence.pool`)."""

from persistence.conversations.views import MESSAGE

_MUTED = "coalesce((m.settings ->> 'mute_until')::numeric > extract(epoch from statement_timestamp()) * 1000, false)"

_UNWANTED = """(
    exists (select from relation r where r.user_id = m.user_id and r.kind in ('block', 'mute', 'restrict')
      and r.target = w.sender offset 0)
    or exists (select from relation r where r.user_id = w.sender and r.kind = 'block' and r.target = m.user_id
      offset 0))"""
"""The member does not want to hear of the sender, or the sender blocks them."""

# A request is pushed once until it is looked at: a stranger must not be able to make a telephone ring all day.
_DUE = f"""m.left_c = 0 and m.joined_c <= w.c and greatest(m.read_c, m.pushed_c) < w.c
    and (m.folder = 'inbox' or m.folder = 'requests' and m.pushed_c <= m.read_c)
    and not {_MUTED} and not {_UNWANTED}"""

# Conversations whose last event is another's and is unread, among the 200 newest. A walk over all of somebody's
# conversations would cost what a thousand of them cost, for each push.
_BADGE = """
  select count(*) as badge from (
    select conversation, greatest(read_c, joined_c) as seen from member
    where user_id = m.user_id and left_c = 0 and folder = 'inbox' order by conversation desc limit 200) o
  join conversation k on k.id = o.conversation and k.last_c > o.seen
  join event e on e.conversation = k.id and e.c = k.last_c and e.sender <> m.user_id"""

# Who has no device costs one look at an index, and nothing else.
LOOK = f"""
select d.reachable is not null, m.folder, k.title, coalesce(nullif(s.name, ''), s.username), a.settings ->> 'locale',
  b.badge
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
  with ordinality w (user_id, conversation, c, sender, n)
left join lateral (select true as reachable from device where user_id = w.user_id limit 1) d on true
left join lateral (
  select m.conversation, m.user_id, m.folder from member m
  where m.conversation = case when d.reachable then w.conversation end and m.user_id = w.user_id and {_DUE} offset 0)
  m on true
left join conversation k on k.id = m.conversation
left join account s on s.id = case when m.user_id is not null then w.sender end
left join account a on a.id = m.user_id
left join lateral ({_BADGE}) b on true
order by w.n"""

# It waits for nobody: a member whose marks are being written is left out and asked again. So it can be in no deadlock
# with a commit, which holds marks of many conversations.
WRITE = """
with want as materialized (
  select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bytea[],
    $8::bigint[]) with ordinality w (user_id, conversation, c, upto, sender, kind, body, hold_ms, n)),
held as materialized (
  select w.* from want w join member m on m.conversation = w.conversation and m.user_id = w.user_id
  for no key update of m skip locked),
moved as (
  update member m set pushed_c = h.upto from held h
  where m.conversation = h.conversation and m.user_id = h.user_id
    and m.left_c = 0 and greatest(m.read_c, m.pushed_c) < h.c
  returning h.*),
put as (
  insert into push_job (user_id, key, kind, collapse, sender, conversation, c, body, due_at, expires_at)
  select user_id, 'message:' || conversation || ':' || c, kind, 'conversation:' || conversation, sender, conversation,
    c, body, statement_timestamp() + hold_ms * interval '1 millisecond',
    statement_timestamp() + $9::bigint * interval '1 millisecond'
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
    and exists (select from device d where d.user_id = m.user_id offset 0)) o
where o.users is not null
union all (
  select null, null, (extract(epoch from p.stored_at) * 1000000)::bigint, p.conversation, p.c from page p
  where (select count(*) from page) = $6 order by p.stored_at desc, p.conversation desc, p.c desc limit 1)"""
