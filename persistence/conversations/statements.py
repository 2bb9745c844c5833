"""The SQL of conversations: every statement is a walk along keys, and planned as one (`persistence.pool`)."""

from persistence.conversations.views import MESSAGE, UNREAD, UNREAD_WITHIN
from protocol.stories import STORY_SHARED

MILLIS = "(extract(epoch from {}) * 1000)::bigint"

# The head is tested where it is written: READ COMMITTED looks at the newest version of a row that had to be waited for.
# `known` may be older than that; whatever came meanwhile has moved the head.
_COMMIT = """
with want as materialized (
  select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::bool[])
    with ordinality w (id, fence, last_c, next_c, at, title, stirred, n)),
said as materialized (
  select * from unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::smallint[], $13::bigint[],
    $14::bytea[]) s (conversation, c, sender, cid, kind, digest, body)),
known as materialized (
  select s.conversation from said s, lateral (select 1 from event x
    where (x.conversation, x.sender, x.cid) = (s.conversation, s.sender, s.cid) limit 1) y),
held as materialized (
  select id from conversation where id = any($1::bigint[]) order by id for no key update {skip}),
head as (
  update conversation k set last_c = w.next_c, at = greatest(k.at, w.at), title = coalesce(w.title, k.title),
    state_at = case when w.stirred then statement_timestamp() else k.state_at end,
    stored_at = case when w.next_c > w.last_c then statement_timestamp() else k.stored_at end
  from want w
  where k.id = w.id and k.last_c = w.last_c and k.fence = w.fence
    and w.id = any(array(select id from held)) and w.id <> all(array(select conversation from known))
  returning k.id),
put as (
  insert into event (conversation, c, sender, cid, kind, digest, body)
  select s.* from said s where s.conversation = any(array(select id from head))),
told as (
  insert into outbox (topic, body)
  select '{shared}', x.body from unnest($21::bigint[], $22::bytea[]) x (conversation, body)
  where x.conversation = any(array(select id from head))),
mark as (
  update member m set
    delivered_c = greatest(m.delivered_c, x.delivered_c), read_c = greatest(m.read_c, x.read_c),
    settings = m.settings || x.settings, folder = coalesce(x.folder, m.folder), state_at = statement_timestamp()
  from unnest($15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::jsonb[], $20::text[])
    x (conversation, user_id, delivered_c, read_c, settings, folder)
  where x.conversation = any(array(select id from head))
    and (m.conversation, m.user_id) = (x.conversation, x.user_id))
select case when w.id = any(array(select id from head)) then 'committed'
  when w.id = any(array(select conversation from known)) then 'known'
  when w.id = any(array(select id from held)) then 'lost' else '{else_}' end
from want w order by w.n"""
COMMIT = _COMMIT.format(skip="skip locked", else_="skipped", shared=STORY_SHARED)
COMMIT_WAITING = _COMMIT.format(skip="", else_="lost", shared=STORY_SHARED)

# On its own, so that it is committed before RELOAD looks: what an earlier writer committed is then seen, what it has
# not committed by now is void.
FENCE = """
update conversation k set fence = fence + 1
where id = $1 and exists (select from member where conversation = $1 and user_id = any($2::bigint[]))
returning kind = 'direct', fence, last_c, at"""

# Somebody blocks somebody: two looks by key.
_APART = """(exists (select from relation where user_id = {0} and kind = 'block' and target = {1})
  or exists (select from relation where user_id = {1} and kind = 'block' and target = {0}))"""

_MEMBERS = """(
  select array_agg(user_id), array_agg(left_c), array_agg(delivered_c), array_agg(read_c), {further}
  from (select * from member where conversation = {conversation} order by user_id) o)"""
_WRITERS_MEMBERS = _MEMBERS.format(
    conversation="$1::bigint", further="array_agg(nullif(settings, '{}')), array_agg(folder)"
)
_SEEN_MEMBERS = _MEMBERS.format(
    conversation="m.conversation",
    further=f"""array_agg(not coalesce((settings ->> 'send_receipts')::bool, true) or folder <> 'inbox'
    or {_APART.format("$1::bigint", "o.user_id")}), array_agg(role), array_agg(joined_c)""",
)

# Each member's blocks among the members: one look per member, however many others they block.
_BLOCKED = """array(
  select array[m.user_id, r.target] from member m, relation r
  where m.conversation = $1 and r.user_id = m.user_id and r.kind = 'block'
    and r.target = any(array(select user_id from member where conversation = $1)))"""

_KNOWN = """(
  select array_agg(x.digest), array_agg(x.body) from unnest($2::bigint[], $3::text[]) s (sender, cid),
    lateral (select digest, body from event
      where (conversation, sender, cid) = ($1, s.sender, s.cid) limit 1) x)"""

RELOAD = f"""
select members.*, {_BLOCKED}, known.*,
  array(select body from event where conversation = $1 and c > $4 and c <= $5 order by c)
from {_WRITERS_MEMBERS} members, {_KNOWN} known"""

FIND = f"select known.* from {_KNOWN} known"

BLOCKED = f"select o.id from unnest($2::bigint[]) o (id) where {_APART.format('$1::bigint', 'o.id')}"

PAIR = f"""
select (select id from conversation where low = $1 and high = $2), {_APART.format("$1::bigint", "$2::bigint")}"""

# Whoever does not follow the one who makes a conversation gets it as a request.
_FOLDER = """case when u.id = {maker} or exists (
  select from follow f where f.follower = u.id and f.followee = {maker} and not f.requested)
  then 'inbox' else 'requests' end"""

# No target for the conflict: an id drawn twice is no error either, the caller looks and tries again.
OPEN = f"""
with made as (
  insert into conversation (id, kind, low, high, at)
  select next_id($3), 'direct', $1, $2, {MILLIS.format("statement_timestamp()")}
  where not {_APART.format("$1::bigint", "$2::bigint")}
  on conflict do nothing returning id),
joined as (
  insert into member (conversation, user_id, role, folder)
  select made.id, u.id, 'member', {_FOLDER.format(maker="$4::bigint")}
  from made, (select $1::bigint union select $2::bigint) u (id))
select id from made"""

CREATED = """
select k.id, k.create_digest, (select body from event where conversation = k.id and c = 1),
  array(select user_id from member where conversation = k.id order by user_id)
from conversation k where creator = $1 and create_cid = $2"""

# The body holds the id and the time, so both are drawn before: NEW, then CREATE.
NEW = f"select next_id($1), {MILLIS.format('statement_timestamp()')}"
CREATE = f"""
with made as (
  insert into conversation (id, kind, title, creator, create_cid, create_digest, last_c, at)
  values ($1, 'group', $2, $3, $4, $5, 1, $6) on conflict do nothing returning id),
joined as (
  insert into member (conversation, user_id, role, folder)
  select made.id, u.id, case when u.id = $3 then 'owner' else 'member' end, {_FOLDER.format(maker="$3::bigint")}
  from made, unnest($7::bigint[]) u (id)),
put as (
  insert into event (conversation, c, sender, cid, kind, digest, body) select id, 1, $3, $4, $8, $5, $9 from made)
select id from made"""

# One look by key for each conversation asked for. As a plain join it may be planned, while the tables are small, as a
# walk over all conversations of the user for each: 2,000 by 1,000 took 100 ms.
_MINE = """lateral (
  select * from member where conversation = {conversation} and user_id = $1 offset 0) m on true"""

# Who left sees the conversation as of then: `b` is how far a member sees.
_BOUND = f"""
cross join lateral (
  select k.last_c, k.at where m.left_c = 0 union all
  select m.left_c, {MILLIS.format("e.stored_at")} from event e
    where m.left_c > 0 and e.conversation = m.conversation and e.c = m.left_c) b (last_c, at)"""

# Unread messages are looked for in so many events: who says much where nobody answers would have them all walked. An
# index of messages by sender would be exact, and costs every commit 5 to 20 %.
SEEN = f"""
select k.id, k.kind, k.title, b.last_c, b.at, m.role, m.joined_c, m.left_c, m.delivered_c, m.read_c, m.folder,
  m.settings, others.*,
  (select body from event e where e.conversation = m.conversation and e.c = b.last_c),
  (select count(*) from (select from event e where e.conversation = m.conversation
    and e.c > greatest(m.read_c, m.joined_c, b.last_c - {UNREAD_WITHIN}) and e.c <= b.last_c
    and e.kind = {MESSAGE} and e.sender <> $1 limit {UNREAD}) u),
  array(select body from event e where w.head is not null and e.conversation = m.conversation
    and e.c > w.head and e.c <= b.last_c order by e.c limit $4)
from unnest($2::bigint[], $3::bigint[]) with ordinality w (id, head, n)
join {_MINE.format(conversation="w.id")}
join conversation k on k.id = m.conversation
{_BOUND}
cross join lateral {_SEEN_MEMBERS} others
order by w.n"""

LISTED = f"""
select b.at, k.id from member m join conversation k on k.id = m.conversation {_BOUND}
where m.user_id = $1
  and case when m.folder = 'inbox' and (m.settings ->> 'archived')::bool then 'archive' else m.folder end = $2
  and (m.folder <> 'requests' or b.last_c > 0) and (b.at, k.id) < ($3, $4)
order by b.at desc, k.id desc limit $5"""

BEHIND = f"""
select m.conversation, least(h.c, k.last_c)
from unnest($2::bigint[], $3::bigint[]) h (id, c)
join {_MINE.format(conversation="h.id")}
join conversation k on k.id = m.conversation
where m.left_c = 0 and least(h.c, k.last_c) > m.delivered_c order by 1"""

_SPAN = """
select e.body from member m
join conversation k on k.id = m.conversation
left join lateral (
  select e.body from event e where e.conversation = m.conversation and e.c >= greatest(m.joined_c, $3)
    and e.c <= case when m.left_c = 0 then k.last_c else m.left_c end and e.c < $4
  order by e.c {direction} limit $5) e on true
where m.conversation = $2 and m.user_id = $1"""
FORWARDS = _SPAN.format(direction="asc")
BACKWARDS = _SPAN.format(direction="desc")

NOW = f"select {MILLIS.format('statement_timestamp()')}"

# `$4` bounds what counts as changed, in milliseconds; ids go up, and a page goes on above `$6`. What was declined comes
# when its member has changed something, without events.
CHANGED = f"""
select n.id, m.user_id is null as gone, case when m.folder <> 'declined' then greatest(n.head, m.joined_c - 1) end,
  true as named
from unnest($2::bigint[], $3::bigint[]) n (id, head)
left join {_MINE.format(conversation="n.id")}
left join conversation k on k.id = m.conversation
where n.id > $6 and (m.user_id is null
  or m.folder <> 'declined'
    and case when m.left_c > 0 then m.left_c else k.last_c end > greatest(n.head, m.joined_c - 1)
  or case when m.folder = 'declined' then m.state_at when m.left_c = 0 then greatest(k.state_at, m.state_at) end
    > to_timestamp($4 / 1000.0))
union all
select m.conversation, false, null, false
from member m join conversation k on k.id = m.conversation
where not $5 and m.user_id = $1 and m.conversation > $6
  and (m.folder <> 'requests' or k.last_c > 0)
  and to_timestamp($4 / 1000.0) < case when m.folder = 'declined' then m.state_at
    when m.left_c = 0 then greatest(k.state_at, m.state_at, k.stored_at) else
    (select stored_at from event e where e.conversation = m.conversation and e.c = m.left_c) end
order by 1"""

# `{0}` is one of the shards asked about: 8,192 bits.
_ASKED = "get_bit({0}, (({1} >> 10) & 8191)::int) = 1"

# The time is in microseconds, as it is kept, so that a page ends exactly where the next begins.
HEARD = f"""
with page as materialized (
  select conversation, c, stored_at, body from event
  where stored_at >= timestamptz 'epoch' + $1::bigint * interval '1 microsecond'
    and (stored_at, conversation, c) > (timestamptz 'epoch' + $1 * interval '1 microsecond', $2::bigint, $3::bigint)
  order by stored_at, conversation, c limit $5)
select (extract(epoch from p.stored_at) * 1000000)::bigint, p.conversation, p.c,
  case when o.users is not null then p.body end, o.users
from page p cross join lateral (
  select array_agg(m.user_id::text order by m.user_id) as users from member m
  where m.conversation = p.conversation and m.joined_c <= p.c and (m.left_c = 0 or p.c <= m.left_c)
    and m.folder <> 'declined' and {_ASKED.format("$4::bytea", "m.user_id")}) o
order by p.stored_at, p.conversation, p.c"""

MOVED = f"""
select m.conversation, m.user_id, m.delivered_c, m.read_c, nullif(m.settings, '{{}}'), m.folder, a.mine, o.others
from member m
cross join lateral (select {_ASKED.format("$2::bytea", "m.user_id")} as mine) a
left join lateral (
  select array_agg(o.user_id::text order by o.user_id)
    filter (where o.user_id <> m.user_id and o.folder <> 'declined' and {_ASKED.format("$2::bytea", "o.user_id")}
      and not {_APART.format("m.user_id", "o.user_id")}) as others
  from (
    select user_id, folder from member o where o.conversation = m.conversation and o.left_c = 0
      and m.folder = 'inbox' and coalesce((m.settings ->> 'send_receipts')::bool, true) limit $3 + 1) o
  having count(*) <= $3) o on true
where m.state_at >= to_timestamp($1::bigint / 1000.0) and m.left_c = 0 and (a.mine or o.others is not null)
order by m.conversation, m.user_id"""

UNDELIVERED = f"""
select count(*) from event e
join member m on m.conversation = e.conversation and m.user_id <> e.sender and m.left_c = 0 and m.joined_c <= e.c
  and greatest(m.delivered_c, m.read_c) < e.c and m.folder <> 'declined'
where e.stored_at >= to_timestamp($1::bigint / 1000.0) and e.stored_at < to_timestamp($2::bigint / 1000.0)
  and e.kind = {MESSAGE} and {_ASKED.format("$3::bytea", "e.conversation")}"""
