"""The SQL of stories: every statement is a walk along keys, and planned as one (`persistence.pool`).

Whether a story is there is asked of the database's clock in every statement (`persistence.privacy.STORY`), and of no
other. Times are whole milliseconds, so that who is told `expires_at` knows the moment itself.
"""

from persistence.graph.predicates import BLOCKED, BLOCKS, FOLLOWS, MUTED
from persistence.privacy import STORY, STORY_AUDIENCE
from persistence.tallies.fragments import APPEND, NEAR

LIVE = 100
"""Stories of one author that are there, or wait for their picture, at once."""
NEWEST_VIEWERS = 1_000
RECENT_S = 60
"""What began or was deleted before that is not told live: who has looked since has read it."""
TRAY = 500
"""Authors in a tray: me, and those with the newest stories."""

_MS = "(extract(epoch from {}) * 1000)::bigint"
_MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_AT = "timestamptz 'epoch' + {} * interval '1 microsecond'"
_NOW = "statement_timestamp()"
_BEGIN = f"date_trunc('milliseconds', {_NOW})"
_SEEN = STORY.format(viewer="$1::bigint", story="s")

_LIVE = "s.state = 'published' and s.expires_at > statement_timestamp()"

# What is told of a story is its id alone: whoever hears it looks what has become of it, and cannot come too late.
_TELL = "insert into outbox (topic, body) select 'story', convert_to(id::text, 'UTF8') from {}"

# The picture's row is held against whoever settles it: either it is ready here, or whoever settles it finds the story.
# Those that wait count too: however many wait for one picture, one statement publishes them.
CREATE = f"""
with known as materialized (select id, digest from story where author = $1 and cid = $2),
picture as materialized (
  select state from media where id = $4 and owner = $1 and not exists (select from known) for share),
others as materialized (
  select count(*) filter (where o.state = 'processing' or o.expires_at > {_NOW}) >= {LIVE} as many
  from (select s.state, s.expires_at from story s where s.author = $1 and s.state <> 'deleted'
    and s.state in ('processing', 'published') order by s.id desc limit {LIVE}) o),
made as (
  insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at)
  select next_id($6), $1, $2, $3, $4, $5, case when ready then 'published' else 'processing' end,
    case when ready then {_BEGIN} end, case when ready then {_BEGIN} + interval '24 hours' end
  from (select state = 'ready' as ready from picture where state <> 'rejected') p, others o where not o.many
  on conflict do nothing returning id, posted_at),
told as ({_TELL.format("made where posted_at is not null")})
select k.id, k.digest, m.id, p.state, o.many
from others o left join known k on true left join made m on true left join picture p on true"""

PUBLISH = f"""
with moved as (
  update story s set state = case m.state when 'ready' then 'published' else 'rejected' end,
    posted_at = case m.state when 'ready' then {_BEGIN} end,
    expires_at = case m.state when 'ready' then {_BEGIN} + interval '24 hours' end
  from (select id, state from media where id = any($1::bigint[]) and state <> 'processing' offset 0) m
  where s.media = m.id and s.state = 'processing' returning s.id, s.state)
{_TELL.format("moved where state = 'published'")}"""

DELETE = f"""
with gone as (
  update story set state = 'deleted', deleted_at = {_NOW} where id = $2 and author = $1 and state <> 'deleted'
  returning id, posted_at),
told as ({_TELL.format("gone where posted_at is not null")})
select from story where id = $2 and author = $1"""

_SHOW = f"""
select s.id, s.author, a.username, a.name, s.state, s.close_friends, {_MS.format("s.posted_at")},
  {_MS.format("s.expires_at")}, m.id, m.width, m.height, m.thumbhash, v.viewer is not null, v.reaction
from (select * from story s where {{which}} and {_SEEN} {{order}}) s
join account a on a.id = s.author
left join media m on m.id = s.media and m.state = 'ready'
left join story_view v on v.story = s.id and v.viewer = $1 {{order}}"""
GET = _SHOW.format(which="s.id = $2", order="")
OF = _SHOW.format(which=f"s.author = $2 and {_LIVE}", order=f"order by s.expires_at, s.id limit {LIVE}")
ARCHIVE = _SHOW.format(
    which="s.author = $1 and s.state <> 'deleted' and s.id < $2", order="order by s.id desc limit $3"
)

IS_THERE = f"select from account where id = $2 and not {BLOCKS.format(one='$2::bigint', other='$1::bigint')}"

_VIEW = f"""
with seen as materialized (
  select s.id, s.author, s.expires_at, s.close_friends from story s where s.id = $2 and {_SEEN}),
put as (
  insert into story_view (story, viewer{{column}}) select id, $1{{value}} from seen where author <> $1{{unless}}
  on conflict (story, viewer) do {{again}} returning story, {{fresh}} as fresh),
counted as (
  {APPEND} select story, 'views', 1 from put where fresh)
select """
SEE = (
    _VIEW.format(column="", value="", unless="", again="nothing", fresh="true")
    + f"author, {_MS.format('expires_at')}, close_friends, exists (select from put) from seen"
)
# Of a story that is not there for me any more I may have been answered before: the conversation knows. What it was told
# by this cid changes no reaction: it has one newer than that of a late repeat, and refuses what says something else.
REACT = (
    _VIEW.format(
        column=", reaction",
        value=", $3",
        unless="""
    and not exists (select from conversation k
      join event e on e.conversation = k.id and e.sender = $1 and e.cid = $4::text
      where k.low = least(author, $1) and k.high = greatest(author, $1) offset 0)""",
        again="update set reaction = excluded.reaction",
        fresh="old.story is null",
    )
    + """s.author, exists (select from seen), k.id from story s
left join conversation k on k.low = least(s.author, $1) and k.high = greatest(s.author, $1) where s.id = $2"""
)

# In one statement with how many there are: those are all of them, when it is exact, and views come in meanwhile.
VIEWERS = f"""
select x.newest, x.shown, {NEAR.format(thing="s.id", kind="views")}, p.*
from (select id from story where id = $2 and author = $1 and state <> 'deleted') s
cross join lateral (
  select count(*) as newest, count(*) filter (where not {BLOCKED.format(one="$1::bigint", other="v.viewer")}) as shown
  from (select viewer from story_view where story = s.id order by at desc, viewer desc limit {NEWEST_VIEWERS + 1}) v
) x
left join lateral (
  select v.viewer, a.username, a.name, {_MICROS.format("v.at")} as at, v.reaction
  from (select * from story_view where story = s.id order by at desc, viewer desc limit {NEWEST_VIEWERS}) v
  join account a on a.id = v.viewer
  where (v.at, v.viewer) < ({_AT.format("$3::bigint")}, $4::bigint)
    and not {BLOCKED.format(one="$1::bigint", other="v.viewer")}
  order by v.at desc, v.viewer desc limit $5) p on true
order by p.at desc, p.viewer desc"""

_TRAY = f"""
with live as materialized (
  select f.author, n.newest from {{authors}} f
  cross join lateral (select s.expires_at as newest from story s where s.author = f.author and {_LIVE}
    order by s.expires_at desc limit 1) n
  order by f.author <> $1, n.newest desc limit {TRAY})
select l.author, a.username, a.name, {MUTED.format(one="$1::bigint", other="l.author")} as muted, t.*
from live l join account a on a.id = l.author
cross join lateral (
  select array_agg(x.id order by x.expires_at, x.id),
    array_agg({_MS.format("x.expires_at")} order by x.expires_at, x.id),
    array_agg(x.close_friends order by x.expires_at, x.id), array_agg(x.seen order by x.expires_at, x.id),
    bool_and(x.seen) as all_seen, max(x.expires_at) as newest
  from (select s.id, s.expires_at, s.close_friends,
      s.author = $1 or exists (select from story_view v where v.story = s.id and v.viewer = $1 offset 0) as seen
    from story s where s.author = l.author and {_LIVE} and {_SEEN} order by s.expires_at desc limit {LIVE}) x
  having count(*) > 0) t
order by l.author <> $1, muted, t.all_seen, t.newest desc"""
MY_TRAY = _TRAY.format(
    authors="(select followee as author from follow where follower = $1 and requested = false union all select $1)"
)
TRAY_OF = _TRAY.format(
    authors=f"""(select $2::bigint as author
      where $2 = $1 or {FOLLOWS.format(one="$1::bigint", other="$2::bigint")})"""
)

# -- what is told ---------------------------------------------------------------------------------------------------

LOOK = f"""
select s.id, s.author, s.state = 'deleted' as deleted, {_LIVE} as there, s.close_friends,
  {_MS.format("s.expires_at")} as expires_at,
  coalesce(s.deleted_at, s.posted_at) > {_NOW} - interval '{RECENT_S} seconds' as recent,
  (select count(*) from (select from follow f where f.followee = s.author and f.requested = false limit $2) f)
    as followers
from unnest($1::bigint[]) with ordinality w (id, n)
cross join lateral (select * from story where id = w.id offset 0) s
where s.posted_at is not null order by w.n"""


def _followers(condition: str) -> str:
    return f"""
select f.follower, {_MICROS.format("f.at")},
  {condition.format(viewer="f.follower", story="s")}, {MUTED.format(one="f.follower", other="s.author")}
from story s
cross join lateral (
  select follower, at from follow where followee = s.author and requested = false
    and (at, follower) > ({_AT.format("$2::bigint")}, $3::bigint) order by at, follower limit $4) f
where s.id = $1 order by f.at, f.follower"""


def _friends(condition: str) -> str:
    return f"""
select r.target, {_MICROS.format("r.at")},
  {condition.format(viewer="r.target", story="s")} and {FOLLOWS.format(one="r.target", other="s.author")},
  {MUTED.format(one="r.target", other="s.author")}
from story s
cross join lateral (
  select target, at from relation where user_id = s.author and kind = 'close_friend'
    and (at, target) > ({_AT.format("$2::bigint")}, $3::bigint) order by at, target limit $4) r
where s.id = $1 order by r.at, r.target"""


AUDIENCE: dict[tuple[bool, bool], str] = {
    (close_friends, there): who(STORY if there else STORY_AUDIENCE)
    for close_friends, who in ((False, _followers), (True, _friends))
    for there in (False, True)
}
"""By whether it is for close friends, and whether it is still there."""

END = f"""
update story s set ended = true from (
  select id from story where state = 'published' and not ended and expires_at <= {_NOW}
  order by expires_at limit $1 for update skip locked) e
where s.id = e.id returning s.id"""
NEXT_END = f"""
select extract(epoch from expires_at - {_NOW})::float8 from story
where state = 'published' and not ended order by expires_at limit 1"""

CLOSE = f"""
select s.id, {_MS.format("s.expires_at")} from story s
where s.author = $1 and {_LIVE} and s.close_friends order by s.expires_at limit {LIVE}"""
HAS_ANY = f"select from story s where s.author = $1 and {_LIVE} limit 1"

# A message of one person to another that shares a story of that other.
ADDRESSED = """
select w.n, s.author
from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality w (story, conversation, sender, n)
join story s on s.id = w.story and s.author <> w.sender
join conversation k on k.id = w.conversation and s.author in (k.low, k.high) and w.sender in (k.low, k.high)"""
