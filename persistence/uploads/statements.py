"""The statements of uploads. A claim is a fence: bytes are accepted from the latest one only."""

_SHOWN = """id, owner, length, received, metadata, claim, head, type, media,
  (extract(epoch from expires_at) * 1000)::bigint as expires_at,
  expires_at <= statement_timestamp() as expired,
  coalesce(held_until > statement_timestamp(), false) as held"""

LOCK = "select from account where id = $1 for no key update"
"""Two announcements of one person are counted one after the other."""

MOST_CLAIMS, LEAST_EACH = 100, 16_384
"""Bodies of one upload: so many, and one more for each so many bytes. Each may leave a piece to be joined."""

KNOWN = f"select {_SHOWN} from upload where owner = $1 and cid = $2"

# The URL of a direct upload, which has a cid, outlives it by so much at most: what is put there then is removed too.
_DEAD = "expires_at + case when cid is null then interval '0' else interval '1 hour' end"

# As long as something may still be put to its URL, an upload is not finished with. All of somebody's are read: a day
# ends for most of them, so the number of files of a day bounds that too.
SPENT = f"""
select coalesce(sum(length) filter (where created_at > statement_timestamp() - interval '1 day'), 0)::bigint as bytes,
  count(*) filter (where created_at > statement_timestamp() - interval '1 day') as files,
  count(*) filter (where media is null and {_DEAD} > statement_timestamp()) as unfinished
from upload where owner = $1"""

LEFT_MIN = 10
"""An upload that nobody has written for so many minutes gives way when its owner begins one more than they may have."""

_LEFT = f"""media is null and cid is null and expires_at > statement_timestamp()
  and coalesce(held_until, created_at) <= statement_timestamp() - interval '{LEFT_MIN} minutes'"""

# What a direct one gave way to would not be one less: something may still be put to its URL.
GIVE_WAY = f"""
update upload set expires_at = statement_timestamp(), held_until = null, claim = claim + 1
where id = (select id from upload where owner = $1 and {_LEFT} order by coalesce(held_until, created_at), id limit 1)
  and {_LEFT} returning id"""

CREATE = f"""
insert into upload (id, owner, length, metadata, expires_at, cid)
values (next_id($1), $2, $3, $4, statement_timestamp() + $5 * interval '1 s', $6)
on conflict do nothing returning {_SHOWN}"""

LOOK = f"select {_SHOWN} from upload where id = $1 and owner = $2"

CLAIM = f"""
update upload set claim = claim + 1, held_until = statement_timestamp() + $4 * interval '1 ms'
where id = $1 and owner = $2 and received = $3 and media is null and expires_at > statement_timestamp()
  and claim < {MOST_CLAIMS} + length / {LEAST_EACH} and (held_until is null or held_until <= statement_timestamp())
returning {_SHOWN}"""

MOST_AHEAD = 1_000
"""Pictures of one owner that wait, as far as they are counted when one more gets its turn."""

_MINE = "id = $1 and claim = $2 and media is null and expires_at > statement_timestamp()"

HOLD = f"update upload set held_until = statement_timestamp() + $3 * interval '1 ms' where {_MINE} returning id"

ACCEPT = f"""
update upload set received = $4, head = $5, type = $6, held_until = statement_timestamp() + $7 * interval '1 ms'
where {_MINE} and received = $3 and $4 < length returning id"""

FINISH = f"""
with whole as (
  update upload set received = length, head = $4, type = $5, media = id, held_until = null,
    expires_at = greatest(expires_at, created_at + interval '1 day')
  where {_MINE} and received = $3 returning id, owner, length, type)
insert into media (id, owner, bytes, type, turn)
select id, owner, length, type, statement_timestamp() + interval '1 s' * (
  select count(*) from (select from media m where m.owner = w.owner and m.state = 'processing' limit {MOST_AHEAD}) x)
from whole w returning id"""

RELEASE = "update upload set held_until = statement_timestamp() where id = $1 and claim = $2"
"""When it was written last stays known."""

END = """
update upload set expires_at = statement_timestamp(), claim = claim + 1,
  held_until = case when held_until > statement_timestamp() then held_until end
where id = $1 and owner = $2 and media is null and expires_at > statement_timestamp() returning id"""

# Whoever wrote it at its end may yet put a piece, and die of it: the row leads there for so long.
_LET_GO = "coalesce(held_until, '-infinity') < greatest(expires_at, statement_timestamp() - interval '2 minutes')"

# What the pipeline has not taken yet keeps its pieces.
EXPIRED = f"""
select u.id from upload u where u.expires_at <= statement_timestamp() and {_DEAD} <= statement_timestamp()
  and {_LET_GO} and not exists (select from media m where m.id = u.id and m.state = 'processing' offset 0)
order by u.expires_at limit $1"""

DROP = f"delete from upload where id = any($1) and {_DEAD} <= statement_timestamp() and {_LET_GO} returning id"
