"""The SQL of posts: what makes, publishes, withdraws and edits them, told and counted by the same statement."""

from typing import Literal

from persistence.graph.predicates import BLOCKED
from persistence.privacy import PERSON
from persistence.privacy import POST as POST_SEEN
from persistence.tallies.fragments import APPEND
from protocol.activity import ACTIVITY
from protocol.posts import POST

_SEEN = f"t.user_id <> p.author and {PERSON.format(viewer='t.user_id', author='p.author')}"


def _people(undone: bool, people: str, kind: str, condition: str) -> str:
    """Activities to these people of the post `p`, which is one row of the query `moved`."""
    body = f"activity({kind}, p.author, t.user_id, p.id, '', coalesce(p.caption, ''), {undone}, statement_timestamp())"
    return f"""insert into outbox (topic, body)
  select '{ACTIVITY}', {body} from moved p cross join {people} t where {condition}"""


def _moved(change: Literal["published", "removed"]) -> str:
    """What follows from a change of state, of the rows (id, author, caption, at) of the query `moved`."""
    removed = change == "removed"
    persons = "lateral (select user_id, kind from post_person where post = p.id)"
    return f"""counted as ({APPEND} select p.author, 'posts', {-1 if removed else 1} from moved p),
told as (insert into outbox (topic, body)
  select '{POST}', post_moved(p.id, p.author, '{change}', p.at) from moved p),
named as ({_people(removed, persons, "t.kind", "true" if removed else _SEEN)})
select count(*) from moved"""


# Whoever settles one of the pictures waits until this is committed, and finds the post then; or this waits, and finds
# the picture settled. Nothing comes back when somebody else is about to make the same. `+ 0`: pictures are looked for
# by their ids, and not among all of their owner's.
MAKE = f"""
with first as materialized (select id, digest, state from post where author = $1::bigint and cid = $2::text),
pictures as materialized (
  select w.n::int, m.id, m.state, m.reason from unnest($4::bigint[]) with ordinality w (id, n)
  join media m on m.id = w.id and m.owner + 0 = $1 order by m.id for share of m),
made as (
  insert into post (id, author, cid, digest, state, caption, place)
  select next_id(($1 >> 10 & 8191)::int), $1, $2, $3::bytea, 'processing', $5::text, $6::text
  where not exists (select from first) and (select count(*) from pictures) = cardinality($4)
    and not exists (select from pictures where state = 'rejected')
  on conflict do nothing returning id),
shown as (insert into post_media (post, n, media) select m.id, p.n, p.id from made m cross join pictures p),
found as (insert into post_hashtag (post, hashtag) select m.id, t from made m cross join unnest($7::text[]) t),
people as (
  insert into post_person (post, kind, user_id)
  select m.id, 'mention', a.id from made m cross join unnest($8::text[]) n (name)
  join account a on lower(a.username) = n.name where not {BLOCKED.format(one="a.id", other="$1")}
  union all
  select m.id, 'tag', a.id from made m cross join unnest($9::bigint[]) t (id)
  join account a on a.id = t.id where not {BLOCKED.format(one="a.id", other="$1")})
select 'made', id, null::bytea, null::text from made
union all select 'first', id, digest, state from first
union all (select 'missing', id, null, null from unnest($4) w (id) where not exists (select from first)
  and id not in (select id from pictures) limit 1)
union all (select 'rejected', id, null, reason from pictures
  where not exists (select from first) and state = 'rejected' order by n limit 1)"""

# Alone with it, so that the statement after this one sees all that was committed while it waited.
HELD = "select author, state, caption, place from post where id = $1::bigint for no key update"
# Somebody else's is not held: that would take longer than that there is no such post.
MINE = HELD.replace("for no", "and author = $2::bigint for no")

# A post becomes visible to others. One that had been is told of with the time at which it was published.
PUBLISH = f"""
with moved as (
  update post p set state = 'published', published_at = coalesce(p.published_at, statement_timestamp())
  where p.id = $1::bigint and p.state = $2::text and not exists (
    select from post_media x join media m on m.id = x.media where x.post = p.id and m.state <> 'ready' offset 0)
  returning p.id, p.author, p.caption, p.published_at as at),
{_moved("published")}"""

# And is so no more.
WITHDRAW = f"""
with moved as (
  update post p set state = $2::text, deleted_at = case when $2 = 'deleted' then statement_timestamp() end
  where p.id = $1::bigint and p.state = 'published'
  returning p.id, p.author, p.caption, statement_timestamp() as at),
{_moved("removed")}"""

# Whoever is tagged may see it: nobody else waits for it, or makes others wait.
TAGGED = f"""
select state = 'published' from post p where p.id = $1::bigint and {POST_SEEN.format(viewer="$2::bigint", post="p")}
  and exists (select from post_person where post = p.id and kind = 'tag' and user_id = $2 offset 0)
for no key update"""
UNTAG = f"""
with moved as materialized (select id, author, caption from post where id = $1::bigint),
dropped as (delete from post_person where post = $1 and kind = 'tag' and user_id = $2::bigint returning user_id),
unnamed as ({_people(True, "dropped", "'tag'", "$3::bool and t.user_id <> p.author")})
select count(*) from moved"""

REJECT = """
update post p set state = 'rejected' where p.id = $1::bigint and p.state = 'processing' and exists (
  select from post_media x join media m on m.id = x.media where x.post = p.id and m.state = 'rejected' offset 0)"""

DELETE = """
update post set state = 'deleted', deleted_at = statement_timestamp()
where id = $1::bigint and state not in ('published', 'deleted')"""

# Whom the caption mentions now, and no more, learns it if it is published.
EDIT = f"""
with moved as materialized (
  update post p set caption = $2::text, place = $3::text, edited_at = statement_timestamp() where p.id = $1::bigint
  returning p.id, p.author, p.caption, p.state),
untagged as (delete from post_hashtag where post = $1 and hashtag <> all($4::text[])),
tagged as (
  insert into post_hashtag (post, hashtag) select p.id, t from moved p cross join unnest($4) t on conflict do nothing),
wanted as materialized (
  select a.id from moved p cross join unnest($5::text[]) n (name) join account a on lower(a.username) = n.name
  where not {BLOCKED.format(one="a.id", other="p.author")}),
dropped as (
  delete from post_person where post = $1 and kind = 'mention' and user_id not in (select id from wanted)
  returning user_id),
put as (
  insert into post_person (post, kind, user_id) select p.id, 'mention', w.id from moved p cross join wanted w
  on conflict do nothing returning user_id),
unnamed as ({_people(True, "dropped", "'mention'", "p.state = 'published'")}),
named as ({_people(False, "put", "'mention'", f"p.state = 'published' and {_SEEN}")})
select count(*) from moved"""

AWAITING = """
select distinct p.id from unnest($1::bigint[]) w (id) join post_media x on x.media = w.id join post p on p.id = x.post
where p.state = 'processing' order by p.id"""

_MICROS = "(extract(epoch from {}) * 1000000)::bigint"
_END = "timestamptz 'epoch' + $2::bigint * interval '1 microsecond'"


def _page(at: str, states: str) -> str:
    return f"""
select {_MICROS.format(at)}, id from post
where author = $1::bigint and {states} and ({at}, id) < ({_END}, $3::bigint) order by {at} desc, id desc limit $4"""


# They are the walk along an index each, of which the conditions have to be the index's own.
PAGES = {
    "published": _page("published_at", "state = 'published'"),
    "archived": _page("published_at", "state = 'archived'"),
    "waiting": _page("created_at", "state in ('processing', 'rejected')"),
}

OPEN = f"select {PERSON.format(viewer='$1::bigint', author='a.id')} from account a where a.id = $2::bigint"

STUB = """
select p.author, a.username, a.name, (extract(epoch from p.created_at) * 1000)::bigint
from post p join account a on a.id = p.author where p.id = $1::bigint"""
