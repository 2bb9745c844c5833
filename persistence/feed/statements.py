"""The SQL of feeds: every statement is a walk along keys, and planned as one (`persistence.pool`)."""

from persistence.graph.predicates import FOLLOWS, MUTED
from persistence.posts.reading import ROWS
from persistence.privacy import APART, FOLLOWED_POST, POST

MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_AT = "timestamptz 'epoch' + {} * interval '1 microsecond'"

NEAR_S, NEAR = 5, 50
"""Edges that begin so shortly before the newest are counted, up to so many: one may be committed after a later one."""

# The newest edge to somebody I follow, how many there are near it, and the version of the celebrities.
STANDING = f"""
select {MICROS.format("n.at")},
  (select count(*) from (select from follow f where f.follower = $1 and f.requested = false
    and f.at > n.at - {NEAR_S} * interval '1 second' limit {NEAR}) f),
  n.version
from (select (select f.at from follow f where f.follower = $1 and f.requested = false order by f.at desc limit 1) as at,
    (select version from celebrity_version) as version) n"""

FEED = f"""
select standing.*, shown.* from ({STANDING}) standing left join lateral ({ROWS}
  where {FOLLOWED_POST.format(viewer="$1::bigint", post="p")}
  and not {MUTED.format(one="$1::bigint", other="p.author")}) shown on true"""
"""`STANDING`, and beside it the rows of those only that belong into my feed, in no order: what I do or others do takes
effect with the next reading. One row at least, which has no post when there is none to show.

That a post is published is left to be looked at in what was read: asked here, a plan made while there were no posts
reads them all, by the index of the published ones."""

# Whom I follow, and me, each with whether they are a celebrity, and, where that is asked for, whether I mute them. As
# many as one may follow.
FOLLOWED = f"""
select w.id, w.at, coalesce((select c.celebrity from celebrity c where c.author = w.id), false),
  $2::bool and {MUTED.format(one="$1::bigint", other="w.id")}
from (
  select $1::bigint as id, 0::bigint as at
  union all
  (select f.followee, {MICROS.format("f.at")} from follow f where f.follower = $1 and f.requested = false
    order by f.at desc limit 10000)) w"""

# Who became a celebrity or is none any more since that version, of those whom I follow and me.
CHANGED = f"""
select c.author, c.celebrity from celebrity c
where c.version > $2 and (c.author = $1 or {FOLLOWS.format(one="$1::bigint", other="c.author")})
order by c.version limit 1000"""

# The newest posts of each author before a place.
NEWEST_OF = f"""
select p.author, {MICROS.format("p.published_at")} as at, p.id
from unnest($1::bigint[]) w (author)
cross join lateral (
  select o.author, o.published_at, o.id from post o
  where o.author = w.author and o.state = 'published'
    and (o.published_at, o.id) < ({_AT.format("$2::bigint")}, $3::bigint)
  order by o.published_at desc, o.id desc limit $4) p"""
NEWEST_OF_ALL = f"{NEWEST_OF} order by 2 desc, 3 desc limit $5"

# What the ranker knows of each post, and of me and its author: how many of their ten newest posts I like, whether we
# have spoken in the last 30 days, whether I have them among my close friends.
FEATURES = """
with asked as materialized (
  select p.id, p.author,
    coalesce((select total from tally where thing = p.id and kind = 'likes'), 0) as likes,
    coalesce((select total from tally where thing = p.id and kind = 'comments'), 0) as comments
  from unnest($2::bigint[]) w (id) join post p on p.id = w.id),
authors as materialized (
  select d.author,
    (select count(*) from (select o.id from post o where o.author = d.author and o.state = 'published'
        order by o.published_at desc, o.id desc limit 10) o
      where exists (select from post_like l where l.post = o.id and l.user_id = $1 offset 0))
    + 3 * (exists (select from conversation k where k.low = least(d.author, $1) and k.high = greatest(d.author, $1)
        and k.stored_at > statement_timestamp() - interval '30 days' offset 0))::int
    + 3 * (exists (select from relation r where r.user_id = $1 and r.kind = 'close_friend' and r.target = d.author
        offset 0))::int as affinity
  from (select distinct author from asked) d)
select asked.id, asked.author, asked.likes, asked.comments,
  (select affinity from authors where authors.author = asked.author) as affinity
from asked"""

# What was published before goes once more, untold unless it still was to be told: lists that were rebuilt while it was
# archived are without it, those too that were given it by a fan-out that is under way, which ends with its claim.
TAKE = """
insert into fanout (post, author)
select distinct p.id, p.author from unnest($1::bigint[]) w (id)
cross join lateral (select id, author, state from post where id = w.id offset 0) p where p.state = 'published'
on conflict (post) do update
  set after_at = 'epoch', after_follower = 0, told = fanout.told or fanout.done_at is not null,
    claim = fanout.claim + 1, due_at = statement_timestamp(), done_at = null"""

# Posts whose fan-out is due. Only what is new is told: of a backlog, and of what comes out of the archive, it is not.
CLAIM = f"""
with due as materialized (
  select post from fanout where due_at <= statement_timestamp() order by due_at limit $1 for update skip locked),
claimed as (
  update fanout f set claim = f.claim + 1, due_at = statement_timestamp() + interval '10 seconds'
  from due where f.post = due.post
  returning f.post, f.author, f.after_at, f.after_follower, f.claim, f.told)
select c.post, c.author, c.after_at, c.after_follower, c.claim,
  c.told or p.published_at < statement_timestamp() - interval '10 minutes' as told,
  {MICROS.format("p.published_at")} as at, left(p.caption, 100) as caption, m.width, m.height, m.thumbhash
from claimed c
join post p on p.id = c.post
left join post_media x on x.post = p.id and x.n = (select min(n) from post_media where post = p.id)
left join media m on m.id = x.media"""
MOVE_ON = """
update fanout set after_at = $3, after_follower = $4, told = told or $5,
  due_at = statement_timestamp() + interval '10 seconds'
where post = $1 and claim = $2 returning post"""
REWIND = """
update fanout set after_at = $3, after_follower = $4, told = true,
  due_at = statement_timestamp() + interval '5 seconds'
where post = $1 and claim = $2"""
DONE = "update fanout set due_at = null, done_at = statement_timestamp() where post = $1 and claim = $2"
FORGET = """
delete from fanout where ctid = any(array(
  select ctid from fanout where done_at < statement_timestamp() - interval '1 hour' order by done_at limit 500))
returning 1"""

# Followers up to a number, by the index alone, and whether they made a celebrity so far.
COUNT = """
select (select count(*) from (select from follow where followee = $1 and requested = false limit $2) f),
  coalesce((select celebrity from celebrity where author = $1), false)"""
JUDGE = """
with moved as (update celebrity_version set version = version + 1 returning version)
insert into celebrity (author, celebrity, version) select $1, $2, version from moved
on conflict (author) do update set celebrity = excluded.celebrity, version = excluded.version"""


def _told(user: str) -> str:
    """This user may see the post now, and wants to hear of its author."""
    seen = POST.format(viewer=user, post="p")
    return f"({seen} and not {MUTED.format(one=user, other='p.author')})"


FOLLOWERS = f"""
select f.at, f.follower, $5 and {_told("f.follower")}
from (
  select f.at, f.follower from follow f
  where f.followee = $6 and f.requested = false and (f.at, f.follower) > ($2, $3)
  order by f.at, f.follower limit $4) f
join post p on p.id = $1
order by f.at, f.follower"""

# Those of these users who follow the author, those who are not to be told, and whether the post is there: three walks
# along sets, as a look for each user costs twenty times as much. Who follows is known of a post that is gone too.
AUDIENCE = f"""
select
  array(select f.follower from (
    select follower, requested from follow where follower = any($2::bigint[]) and followee = $3 offset 0) f
    where not f.requested),
  array({APART.format(author="$3", viewers="$2::bigint[]")}
    union all
    select r.user_id from relation r where r.target = $3 and r.kind = 'mute' and r.user_id = any($2::bigint[])),
  exists (select from post p where p.id = $1 and p.author = $3 and p.state = 'published' offset 0)"""
