"""The SQL of comments and of lists: walks along keys, each of whose rows its viewer may see."""

from persistence.graph.predicates import BLOCKED, RESTRICTED
from persistence.privacy import COMMENT, POST
from persistence.tallies.fragments import APPEND, NEAR
from protocol.activity import ACTIVITY

_MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_PLACE = "(timestamptz 'epoch' + {at}::bigint * interval '1 microsecond', {id}::bigint)"

_SHOWN = f"""c.id, c.post, c.author, a.username, a.name, {_MICROS.format("c.at")}, c.text, c.parent,
  {NEAR.format(thing="c.id", kind="likes")},
  exists (select from comment_like l where l.comment = c.id and l.user_id = $1 offset 0),
  {NEAR.format(thing="c.id", kind="comments")}"""


TOLD_AS = {
    "told": "case when x.user_id = (select author from post where id = c.post) then 'comment' else 'reply' end",
    "mentioned": "'mention'",
}
"""As what the people of each list `x` of a comment `c` are told of it: a comment is its post's author's, a reply
whoever's it answers."""


def _told(people: str, undone: bool, source: str) -> str:
    """Activities to all these people of each comment of a source."""
    body = f"activity({TOLD_AS[people]}, c.author, x.user_id, c.post, c.id::text, coalesce(c.text, ''), {undone}, c.at)"
    return f"""insert into outbox (topic, body)
  select '{ACTIVITY}', {body} from {source} c cross join lateral unnest(c.{people}) x (user_id)"""


# A thread that is being deleted is waited for, and then not found. Who is told of the comment is not told of a mention
# in it too, and nobody is who may not see it: whom the post's author restricts is heard by that author alone.
MAKE = f"""
with first as materialized (select id from comment where author = $1::bigint and cid = $2::text),
seen as materialized (
  select p.id, p.author, p.state, {RESTRICTED.format(one="p.author", other="$1")} as hushed
  from post p where p.id = $3::bigint and {POST.format(viewer="$1", post="p")}
    and not exists (select from first)),
answered as materialized (
  select c.author, coalesce(c.parent, c.id) as thread from seen s join comment c on c.id = $4::bigint and c.post = s.id
  where {COMMENT.format(viewer="$1", comment="c")}),
thread as materialized (
  select t.id, a.author from answered a join comment t on t.id = a.thread where t.deleted_at is null for share of t),
about as materialized (
  select s.id as post, s.hushed, t.id as thread, array(
    select distinct x.person from unnest(array[s.author, t.author]) x (person)
    where x.person <> $1 and (x.person = s.author or (not s.hushed and {POST.format(viewer="x.person", post="s")}
      and not {BLOCKED.format(one="x.person", other="$1")}))) as told
  from seen s left join thread t on true where $4 is null or t.id is not null),
made as (
  insert into comment (id, post, author, parent, cid, digest, text, told, mentioned)
  select next_id(($1 >> 10 & 8191)::int), b.post, $1, b.thread, $2, $5::bytea, $6::text, b.told, array(
    select m.id from unnest($7::text[]) n (name) join account m on lower(m.username) = n.name
      join post p on p.id = b.post and {POST.format(viewer="m.id", post="p")}
    where m.id <> $1 and m.id <> all(b.told) and not b.hushed and not {BLOCKED.format(one="m.id", other="$1")})
  from about b on conflict do nothing returning id, post, author, parent, text, told, mentioned, at),
counted as ({APPEND} select w.thing, 'comments', 1 from made m cross join lateral (
  select m.post union all select m.parent where m.parent is not null) w (thing)),
said as ({_told("told", False, "made")}),
named as ({_told("mentioned", False, "made")})
select case when exists (select from first) then false when exists (select from made) then true end as made
from (select) one where exists (select from first) or exists (select from about)"""

MADE = f"""
select {_SHOWN}, c.digest from comment c join account a on a.id = c.author where c.author = $1 and c.cid = $2"""

# What is not seen is not held either: that would take longer than that there is no such comment.
HELD = f"""
select $1::bigint in (c.author, p.author) as mine, {COMMENT.format(viewer="$1::bigint", comment="c")} as seen
from comment c join post p on p.id = c.post where c.id = $2::bigint
  and ($1 in (c.author, p.author) or {COMMENT.format(viewer="$1", comment="c")}) for update of c"""

# Its answers go with it, and after it: none is added from then on. What somebody else hides meanwhile is waited for,
# and is theirs to count: it is among those that were found here all the same. How many answers these are is said.
HIDE = f"""
with found as materialized (
  select id from comment where id = $1 and deleted_at is null
  union all (select id from comment where parent = $1 and deleted_at is null limit $2)),
gone as (
  update comment c set deleted_at = statement_timestamp(), clear_at = statement_timestamp(), text = null
  where c.id = any(array(select id from found)) and c.deleted_at is null
  returning c.id, c.post, c.author, c.parent, c.text, c.told, c.mentioned, c.deleted_at as at),
counted as ({APPEND} select w.thing, 'comments', -count(*)::int from gone g cross join lateral (
  select g.post union all select g.parent where g.parent is not null) w (thing) group by w.thing),
unsaid as ({_told("told", True, "gone")}),
unnamed as ({_told("mentioned", True, "gone")})
select count(*) from found where id <> $1"""

# One row with nothing in it: there is such a post, and no comment. None: the viewer may not see the post.
COMMENTS = f"""
select c.* from (select p.id from post p where p.id = $2::bigint and {POST.format(viewer="$1::bigint", post="p")}) s
left join lateral (
  select {_SHOWN} from comment c join account a on a.id = c.author
  where c.post = s.id and c.parent is null and c.deleted_at is null
    and (c.at, c.id) < {_PLACE.format(at="$3", id="$4")} and {COMMENT.format(viewer="$1", comment="c")}
  order by c.at desc, c.id desc limit $5) c on true"""

REPLIES = f"""
select c.* from (
  select t.id from comment t where t.id = $2::bigint and {COMMENT.format(viewer="$1::bigint", comment="t")}) s
left join lateral (
  select {_SHOWN} from comment c join account a on a.id = c.author
  where c.parent = s.id and c.deleted_at is null
    and (c.at, c.id) > {_PLACE.format(at="$3", id="$4")} and {COMMENT.format(viewer="$1", comment="c")}
  order by c.at, c.id limit $5) c on true"""

ONE = f"""
select {_SHOWN} from comment c join account a on a.id = c.author
where c.id = $2::bigint and {COMMENT.format(viewer="$1::bigint", comment="c")}"""


def _likers(thing: str, seen: str) -> str:
    return f"""
select l.* from (select x.id from {thing} x where x.id = $2::bigint and {seen}) s
left join lateral (
  select {_MICROS.format("l.at")}, l.user_id, a.username, a.name from {thing}_like l join account a on a.id = l.user_id
  where l.{thing} = s.id and (l.at, l.user_id) < {_PLACE.format(at="$3", id="$4")}
    and not {BLOCKED.format(one="l.user_id", other="$1")}
  order by l.at desc, l.user_id desc limit $5) l on true"""


LIKERS = _likers("post", POST.format(viewer="$1::bigint", post="x"))
COMMENT_LIKERS = _likers("comment", COMMENT.format(viewer="$1::bigint", comment="x"))

SAVED = f"""
select {_MICROS.format("s.at")}, s.post from post_save s join post p on p.id = s.post
where s.user_id = $1::bigint and (s.at, s.post) < {_PLACE.format(at="$2", id="$3")}
  and {POST.format(viewer="$1::bigint", post="p")}
order by s.at desc, s.post desc limit $4"""
