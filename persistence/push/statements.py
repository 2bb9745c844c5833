"""The statements of devices and pushes. What decides that a push would be shown in vain stands here once."""

from persistence.graph.predicates import SILENCED

REGISTER = """
with held as (
  insert into device (id, user_id, login, platform, address, p256dh, auth, app)
  select next_id($3), l.account, l.id, $4, $5, $6, $7, $8
  from login l where l.id = $2 and l.account = $1 and l.revoked_at is null
  on conflict (platform, address) do update set user_id = excluded.user_id, login = excluded.login,
    p256dh = excluded.p256dh, auth = excluded.auth, app = excluded.app, registered_at = statement_timestamp()
  returning id),
superfluous as (
  delete from device where id in (
    select id from device where user_id = $1 and (platform, address) <> ($4, $5)
    order by user_id, registered_at desc offset $9)
  and exists (select from held))
select id from held"""
REGISTERED = """
select d.id, d.login, d.platform, d.app, (extract(epoch from d.registered_at) * 1000)::bigint as registered_at
from device d join login l on l.id = d.login and l.revoked_at is null
where d.user_id = $1 order by d.registered_at desc"""
FORGET = "delete from device where id = $1 and user_id = $2 returning id"

REQUEST = """
insert into push_job (user_id, key, kind, collapse, sender, conversation, c, notification, body, channels, due_at,
  expires_at)
select user_id, key, kind, collapse, sender, conversation, c, notification, body, string_to_array(channels, ' '),
  statement_timestamp() + hold_ms * interval '1 ms', statement_timestamp() + life_ms * interval '1 ms'
from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
  $9::bytea[], $10::text[], $11::bigint[], $12::bigint[])
  w (user_id, key, kind, collapse, sender, conversation, c, notification, body, channels, hold_ms, life_ms)
on conflict (user_id, key) do nothing"""

_CIRCUMSTANCES = "left join member m on m.conversation = j.conversation and m.user_id = j.user_id"
_IN_VAIN = f"""case
  when j.expires_at <= statement_timestamp() then 'expired'
  when j.conversation is not null and (m.user_id is null or m.left_c <> 0) then 'left'
  when m.read_c >= j.c then 'read'
  when m.folder <> 'inbox' and (j.kind <> 'message_request' or m.folder <> 'requests') then 'not accepted'
  when (m.settings ->> 'mute_until')::numeric > extract(epoch from statement_timestamp()) * 1000 then 'muted'
  when j.notification is not null
    and not exists (select from notification n where n.id = j.notification and not n.seen offset 0) then 'seen'
  when j.summary is not null and not exists (select from unnest(j.summary) s (id)
    where exists (select from notification n where n.id = s.id and not n.seen offset 0)) then 'seen'
  when j.sender is not null and {SILENCED.format(one="j.user_id", other="j.sender")} then 'unwanted' end"""
"""Why nobody wants the job `j` shown, with the membership `m`; null if they do."""

# Of all the devices and the mailbox, whatever this node could send to: another one may have the provider.
EXPAND = f"""
with due as materialized (
  select * from push_job where state = 'waiting' and due_at <= statement_timestamp()
  order by due_at limit $1 for update skip locked),
judged as materialized (select j.id, j.user_id, j.channels, {_IN_VAIN} as reason from due j {_CIRCUMSTANCES}),
made as (
  insert into push_delivery (job, provider, device)
  select g.id, d.platform, d.id
  from judged g join device d on d.user_id = g.user_id join login l on l.id = d.login
  where g.reason is null and 'push' = any(g.channels) and l.revoked_at is null
  union all
  select g.id, 'email', null from judged g join account a on a.id = g.user_id
  where g.reason is null and 'email' = any(g.channels) and a.email is not null
  on conflict (job, device) do nothing returning job),
told as materialized (
  select g.id, coalesce(g.reason, case when exists (select from made where job = g.id) then null else 'no device' end)
    as reason
  from judged g),
done as (
  update push_job j set state = case when told.reason is null then 'expanded' else 'dropped' end, reason = told.reason
  from told where j.id = told.id)
select coalesce(reason, 'expanded') as outcome, count(*) as number from told group by 1"""

# What no node sends is claimed by none. The oldest are looked at, as most live for a day: no walk over all that waits.
EXPIRE = """
with due as materialized (
  select d.id, d.job from unnest(array['apns', 'fcm', 'web', 'email']) w (provider) cross join lateral (
    select * from push_delivery where provider = w.provider and state = 'waiting' and due_at <= statement_timestamp()
    order by due_at limit $1) d),
over as materialized (
  select id from push_delivery where settled_at is null and id = any(array(select id from due
    where exists (select from push_job j where j.id = due.job and j.expires_at <= statement_timestamp() offset 0)))
  for update skip locked),
ended as (
  update push_delivery set state = case when error is null then 'dropped' else 'dead' end,
    error = coalesce(error, 'expired'), settled_at = statement_timestamp()
  where id = any(array(select id from over)) returning provider)
select provider, count(*) as number from ended group by 1"""

CLAIM = f"""
with due as materialized (
  select * from push_delivery where provider = $1 and state = 'waiting' and due_at <= statement_timestamp()
  order by due_at limit $2 for update skip locked),
judged as materialized (
  select due.id, due.claim, j.sender, p.preferences, j.sender is not null and
      exists (select from follow f where f.follower = j.user_id and f.followee = j.sender and not f.requested offset 0)
      as follows,
    j.user_id, j.key, j.kind, j.collapse, j.body, j.conversation, j.c, j.notification,
    a.settings -> 'push_content' = 'false'::jsonb as plain, due.attempts, due.error, due.device, a.email,
    (extract(epoch from statement_timestamp() - j.at) * 1000)::bigint as age_ms,
    (extract(epoch from j.expires_at - statement_timestamp()) * 1000)::bigint as left_ms,
    d.platform, d.address, d.p256dh, d.auth, (extract(epoch from d.registered_at) * 1000000)::bigint as registered,
    case when due.attempts >= $4 then 'never answered' end as exhausted,
    coalesce({_IN_VAIN}, case when due.device is null and a.email is null
      or due.device is not null and (l.id is null or l.revoked_at is not null) then 'no device' end) as reason
  from due join push_job j on j.id = due.job {_CIRCUMSTANCES}
  left join account a on a.id = j.user_id
  left join notifier p on p.user_id = case when j.conversation is not null then j.user_id end
  left join device d on d.id = due.device and d.user_id = j.user_id
  left join login l on l.id = d.login),
claimed as (
  update push_delivery p set claim = p.claim + 1,
    state = case when g.exhausted is not null or g.reason = 'expired' and g.error is not null then 'dead'
      when g.reason is not null then 'dropped' else 'waiting' end,
    attempts = case when coalesce(g.exhausted, g.reason) is null then p.attempts + 1 else p.attempts end,
    due_at = case when coalesce(g.exhausted, g.reason) is null
      then statement_timestamp() + $3 * interval '1 ms' else p.due_at end,
    settled_at = case when coalesce(g.exhausted, g.reason) is null then null else statement_timestamp() end,
    error = coalesce(p.error, g.exhausted, g.reason)
  from judged g where p.id = g.id)
select id, claim + 1 as claim, user_id, key, kind, collapse, body, conversation, c, notification,
  coalesce(plain, false) as plain, attempts + 1 as attempts, device, email, age_ms, left_ms, platform, address, p256dh,
  auth, registered, coalesce(exhausted, reason) as reason, sender, preferences, follows
from judged"""

SETTLE = """
with settled as (
  update push_delivery p set state = w.state, error = w.error, attempts = p.attempts - w.back,
    due_at = case when w.state = 'waiting' then statement_timestamp() + w.wait_ms * interval '1 ms' else p.due_at end,
    settled_at = case when w.state = 'waiting' then null else statement_timestamp() end
  from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::int[], $7::bigint[])
    w (id, claim, state, error, wait_ms, back, registered)
  where p.id = w.id and p.claim = w.claim and p.state = 'waiting' returning p.device, w.registered)
delete from device d using settled s
where d.id = s.device and s.registered > 0 and (extract(epoch from d.registered_at) * 1000000)::bigint = s.registered"""

_LISTED = """
select p.id, j.user_id, p.provider, j.kind, p.attempts, p.error, (extract(epoch from j.at) * 1000)::bigint as at,
  (extract(epoch from coalesce(p.settled_at, p.due_at)) * 1000)::bigint as due_at
from chosen p join push_job j on j.id = p.job"""
DEAD = f"""
with chosen as materialized (select * from push_delivery where state = 'dead' order by id desc limit $1)
{_LISTED} order by p.id desc"""
WAITING = f"""
with chosen as materialized (
  select d.* from unnest(array['apns', 'fcm', 'web', 'email']) w (provider) cross join lateral (
    select * from push_delivery where provider = w.provider and state = 'waiting' order by due_at limit $1) d limit $1)
{_LISTED} order by p.due_at"""

REPLAY = """
with chosen as materialized (
  select id, job from push_delivery where state = 'dead' and ($1::bigint[] is null or id = any($1))
  order by id limit $2 for update),
prolonged as (
  update push_job j set expires_at = greatest(j.expires_at, statement_timestamp() + $3 * interval '1 ms')
  from (select distinct job from chosen) c where j.id = c.job),
replayed as (
  update push_delivery p set state = 'waiting', attempts = 0, due_at = statement_timestamp(), settled_at = null,
    error = null
  from chosen c where p.id = c.id returning p.id)
select count(*) from replayed"""

COUNTED = """
select 'job' as what, (select count(*) from (
  select from push_job where state = 'waiting' order by due_at limit 100000) j) as number
union all
select w.provider, (select count(*) from (
  select from push_delivery where provider = w.provider and state = 'waiting' order by due_at limit 100000) d)
from unnest(array['apns', 'fcm', 'web', 'email']) w (provider)"""

CLEAR = """
with old as (
  delete from push_job where id in (
    select id from push_job where state <> 'waiting' and expires_at < statement_timestamp() - $2 * interval '1 ms'
    order by expires_at limit $1 for update skip locked)
  returning id),
deliveries as (delete from push_delivery p using old where p.job = old.id)
select count(*) from old"""
