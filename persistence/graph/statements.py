"""The SQL of the graph: every statement is a walk along keys, and planned as one (`persistence.pool`).

Every change of the graph holds its actor's lock alone and the other's shared with further actors, taken in the order
of their ids. So the deeds of one person, and those between two, happen one after the other, and what is read under the
locks still stands when it is written. The locks are advisory: one that many follow at once has no row contested or
written for it, and those who wait have their turn in order.
"""

from persistence.graph.contract import Names, Others
from persistence.graph.predicates import BLOCKED, BLOCKS, SILENCED
from persistence.privacy import PERSON
from persistence.privacy import PROFILE as PROFILE_SEEN
from persistence.tallies.fragments import EXACT

_NOW = "(extract(epoch from statement_timestamp()) * 1000)::bigint"
_MICROS = "(extract(epoch from {}) * 1000000)::bigint"

ALONE = "select pg_advisory_xact_lock($1)"
MINE_FIRST = "select pg_advisory_xact_lock($1), pg_advisory_xact_lock_shared($2)"
THEIRS_FIRST = "select pg_advisory_xact_lock_shared($2), pg_advisory_xact_lock($1)"

# A statement of its own after the locks, so that it sees what was committed while they were waited for. It looks for
# as much whether they exist, block me or neither.
RELATIONSHIP = f"""
select {_NOW}, a.private,
  {BLOCKS.format(one="p.them", other="p.me")},
  array(select kind from relation where user_id = p.me
    and kind in ('block', 'mute', 'restrict', 'close_friend') and target = p.them),
  forth.requested, forth.accepted, back.requested, back.accepted,
  exists (select from relation where user_id = p.them and kind = 'close_friend' and target = p.me offset 0)
from (select $1::bigint as me, $2::bigint as them) p
left join account a on a.id = p.them
left join follow forth on forth.follower = p.me and forth.followee = p.them
left join follow back on back.follower = p.them and back.followee = p.me"""

# Up to one more than there may be.
FOLLOWED = "select count(*) from (select from follow where follower = $1 limit $2) f"
RELATED = "select count(*) from (select from relation where user_id = $1 and kind = $2 limit $3) r"

WAITING = f"""
select {_NOW}, follower from follow where followee = $1 and requested = true order by at, follower limit $2"""
SET_PRIVATE = "update account set private = $2 where id = $1 and private <> $2"

# Edges to be there, edges to be gone, relations to be there, relations to be gone, what is told of it in this order,
# the pair whose conversation is to be loaded anew, and what it does to the numbers of both.
APPLY = """
with put as (
  insert into follow (follower, followee, requested, accepted)
  select * from unnest($1::bigint[], $2::bigint[], $3::bool[], $4::bool[])
  on conflict (follower, followee) do update
    set requested = excluded.requested, accepted = excluded.accepted, at = statement_timestamp()),
ended as (
  delete from follow f using unnest($5::bigint[], $6::bigint[]) w (follower, followee)
  where (f.follower, f.followee) = (w.follower, w.followee)),
decided as (
  insert into relation (user_id, kind, target) select * from unnest($7::bigint[], $8::text[], $9::bigint[])
  on conflict do nothing),
dropped as (
  delete from relation r using unnest($10::bigint[], $11::text[], $12::bigint[]) w (user_id, kind, target)
  where (r.user_id, r.kind, r.target) = (w.user_id, w.kind, w.target)),
told as (
  insert into outbox (topic, body)
  select $13, w.body from unnest($14::bytea[]) with ordinality w (body, n) order by w.n),
counted as (
  insert into tally_change (thing, kind, change) select * from unnest($17::bigint[], $18::text[], $19::int[]))
update conversation set fence = fence + 1 where low = $15 and high = $16"""

# In the order of their ids, as whoever commits to several locks them.
FENCE = """
with held as materialized (
  select k.id from conversation k where k.id = any(array(
    select m.conversation from member m where m.user_id = $1 and m.left_c = 0
      and exists (select from member o where o.conversation = m.conversation and o.user_id = $2 and o.left_c = 0
        offset 0)))
  order by k.id for no key update)
update conversation k set fence = k.fence + 1 from held where k.id = held.id returning k.id"""

_END = "timestamptz 'epoch' + $2::bigint * interval '1 microsecond'"
_PAGE = f"""
select {_MICROS.format("x.at")}, x.{{them}}, a.username, a.name
from {{table}} x join account a on a.id = x.{{them}}
where {{mine}} and (x.at, x.{{them}}) < ({_END}, $3::bigint)
  and not {BLOCKS.format(one="x.{them}", other="$1")}
order by x.at desc, x.{{them}} desc limit $4"""


def _follows(them: str, me: str, requested: str) -> str:
    return _PAGE.format(table="follow", them=them, mine=f"x.{me} = $1 and x.requested = {requested}")


def _relations(kind: str) -> str:
    return _PAGE.format(table="relation", them="target", mine=f"x.user_id = $1 and x.kind = '{kind}'")


PAGES: dict[Names, str] = {
    "followers": _follows("follower", "followee", "false"),
    "following": _follows("followee", "follower", "false"),
    "requests": _follows("follower", "followee", "true"),
    "block": _relations("block"),
    "mute": _relations("mute"),
    "restrict": _relations("restrict"),
    "close_friend": _relations("close_friend"),
}

# Numbers of a profile are exact: what is folded, and what waits for that.
_PROFILE = f"""
select a.id, a.username, a.name, a.private, {EXACT.format(thing="a.id", kind="followers")},
  {EXACT.format(thing="a.id", kind="following")}, {EXACT.format(thing="a.id", kind="posts")}
from account a
where {{found}} and {PROFILE_SEEN.format(viewer="$1", author="a.id")}"""
# One row with nothing in it: there is nobody in the list. None: the viewer may not see it, at the moment of the list.
_THEIRS = """
select p.* from (select a.id from account a where a.id = $2 and {shown}) s
left join lateral (
  select {micros} as at, x.{them} as id, a.username, a.name
  from follow x join account a on a.id = x.{them}
  where x.{whose} = s.id and x.requested = false and (x.at, x.{them}) < ({end}, $4::bigint)
    and not {blocked}
  order by x.at desc, x.{them} desc limit $5) p on true
order by p.at desc, p.id desc"""


def _of(them: str, whose: str) -> str:
    return _THEIRS.format(
        shown=PERSON.format(viewer="$1::bigint", author="a.id"),
        micros=_MICROS.format("x.at"),
        them=them,
        whose=whose,
        end=_END.replace("$2", "$3"),
        blocked=BLOCKED.format(one=f"x.{them}", other="$1::bigint"),
    )


OTHERS: dict[Others, str] = {"followers": _of("follower", "followee"), "following": _of("followee", "follower")}

# Of the newest whom I follow the newest whom they follow: 2,500 edges at most, however many there are.
SUGGESTED = f"""
select c.id, a.username, a.name, c.common, c.via[1:3]
from (
  select f.followee as id, count(*)::int as common, array_agg(m.followee order by m.at desc) as via
  from (select followee, at from follow where follower = $1 and requested = false
      order by at desc, followee desc limit $2) m
  cross join lateral (select followee from follow where follower = m.followee and requested = false
      order by at desc, followee desc limit $2) f
  where f.followee <> $1 group by f.followee order by count(*) desc, f.followee desc) c
join account a on a.id = c.id
where not exists (select from follow where follower = $1 and followee = c.id offset 0)
  and not {BLOCKED.format(one="c.id", other="$1::bigint")}
  and not {SILENCED.format(one="$1::bigint", other="c.id")}
order by c.common desc, c.id desc limit $3"""

PROFILE = _PROFILE.format(found="a.id = $2")
PROFILE_NAMED = _PROFILE.format(found="lower(a.username) = lower($2)")
