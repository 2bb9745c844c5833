"""The outbox in Postgres. Every call is one statement."""

from collections.abc import Mapping, Sequence

import asyncpg

from persistence.outbox.contract import DUE_AT_ONCE, DUE_MS, MOST_EVENTS, MOST_MESSAGES, DeadLetter, Event, Lag, Message
from persistence.pool import Pool, fetch
from protocol.ids import Millis

REQUEST_S = 3.0
"""How long one call may take, the wait for a connection included."""

_REGISTER = """
insert into outbox_consumer (name, topic) select * from unnest($1::text[], $2::text[])
on conflict (name) do update set topic = excluded.topic where outbox_consumer.topic <> excluded.topic"""
_ADD = "insert into outbox (topic, body) select $1, unnest($2::bytea[])"
# All looks in one, as each node has nothing to pack most of the time.
_WAITING = """
select topic from unnest($1::text[]) with ordinality w (topic, n)
where exists (select from outbox where outbox.topic = w.topic offset 0) order by n"""
# What was locked by `for update` cannot move or go, so that its place finds it.
_PACK = f"""
with taken as (
  select ctid from outbox where topic = $1
    and exists (select from outbox_consumer where topic = $1)
    and not exists (select from outbox_consumer c where c.topic = $1
      and (select count(*) from outbox_message m where m.consumer = c.name) >= {MOST_MESSAGES})
  order by id limit {MOST_EVENTS} for update skip locked),
gone as (delete from outbox where ctid = any(array(select ctid from taken)) returning id, at, body),
packed as (
  select count(*) as events, min(at) as since, array_agg(id order by id) as ids, array_agg(body order by id) as bodies,
    array_agg((extract(epoch from at) * 1000)::bigint order by id) as ats
  from gone)
insert into outbox_message (consumer, events, since, due_at, ids, ats, bodies)
select c.name, p.events, p.since, statement_timestamp() + {DUE_MS} * interval '1 ms', p.ids, p.ats, p.bodies
from packed p, outbox_consumer c where p.events > 0 and c.topic = $1
returning consumer, id, ids, ats, bodies"""
_DUE = f"""
with late as materialized (
  select consumer, id from outbox_message where consumer = any($1) and due_at <= statement_timestamp()
  order by consumer, id limit {DUE_AT_ONCE} for update skip locked)
update outbox_message m set due_at = statement_timestamp() + {DUE_MS} * interval '1 ms'
from late where (m.consumer, m.id) = (late.consumer, late.id)
returning m.consumer, m.id, m.ids, m.ats, m.bodies"""
_HOLD = f"""
update outbox_message set attempts = attempts + 1, due_at = statement_timestamp() + {DUE_MS} * interval '1 ms'
where consumer = $1 and id = $2 returning attempts"""
_DONE = "delete from outbox_message where consumer = $1 and id = $2"
_BURY = f"""
with done as ({_DONE})
insert into dead_letter (consumer, id, at, body, error, attempts)
select $1, d.id, to_timestamp(d.at / 1000.0), d.body, d.error, d.attempts
from unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::int[]) d(id, at, body, error, attempts)
on conflict (consumer, id) do update
  set error = excluded.error, attempts = excluded.attempts, died_at = excluded.died_at"""
_LAG = """
select c.topic, c.name,
  (select count(*) from (select from outbox o where o.topic = c.topic limit $1) x) as waiting,
  (select coalesce(sum(m.events), 0) from outbox_message m where m.consumer = c.name) as under_way,
  (select count(*) from (select from dead_letter d where d.consumer = c.name limit $1) x) as dead,
  (1000 * extract(epoch from statement_timestamp() - least(
    (select o.at from outbox o where o.topic = c.topic order by o.id limit 1),
    (select min(m.since) from outbox_message m where m.consumer = c.name))))::bigint as oldest_ms
from outbox_consumer c order by c.topic, c.name"""
_FORGET = f"""
with recursive found as (
  (select topic from outbox order by topic limit 1) union all
  select (select o.topic from outbox o where o.topic > f.topic order by o.topic limit 1) from found f
  where f.topic is not null)
delete from outbox where ctid = any(array(
  select o.ctid from found f
    cross join lateral (select ctid, at from outbox where topic = f.topic order by id limit {MOST_EVENTS}) o
  where not exists (select from outbox_consumer c where c.topic = f.topic)
    and o.at < statement_timestamp() - $1 * interval '1 ms'))
returning 1"""
_LETTERS = """
select consumer, id, body, error, attempts, (extract(epoch from at) * 1000)::bigint as at,
  (extract(epoch from died_at) * 1000)::bigint as died_at
from dead_letter where $1::text is null or consumer = $1 order by died_at desc, id desc limit $2"""
_EXHUME = f"""
delete from dead_letter where consumer = $1 and id = any(array(
  select id from dead_letter where consumer = $1 and id > $2 and id <= $3 order by id limit {MOST_EVENTS}))
returning id, at, body, attempts"""
_DROP = f"with gone as ({_EXHUME}) select id from gone order by id"
_REPLAY = f"""
with gone as ({_EXHUME})
insert into outbox_message (consumer, events, since, attempts, due_at, ids, ats, bodies)
select $1, count(*), min(at), max(attempts), statement_timestamp(), array_agg(id order by id),
  array_agg((extract(epoch from at) * 1000)::bigint order by id), array_agg(body order by id)
from gone having count(*) > 0 returning ids"""


class PostgresOutbox:
    """The `OutboxStore` on a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, consumers: Mapping[str, str]) -> None:
        await self._fetch(_REGISTER, list(consumers), list(consumers.values()))

    async def add(self, topic: str, bodies: Sequence[bytes]) -> None:
        await self._fetch(_ADD, topic, bodies)

    async def waiting(self, topics: Sequence[str]) -> list[str]:
        return [row["topic"] for row in await self._fetch(_WAITING, topics)]

    async def pack(self, topic: str) -> list[Message]:
        return [_message(row) for row in await self._fetch(_PACK, topic)]

    async def due(self, consumers: Sequence[str]) -> list[Message]:
        return [_message(row) for row in await self._fetch(_DUE, consumers)]

    async def hold(self, message: Message) -> int:
        return sum(row["attempts"] for row in await self._fetch(_HOLD, message.consumer, message.id))

    async def done(self, message: Message, dead: Sequence[DeadLetter]) -> None:
        if not dead:
            await self._fetch(_DONE, message.consumer, message.id)
            return
        rows = [(d.event.id, d.event.at, d.event.body, d.error, d.attempts) for d in dead]
        await self._fetch(_BURY, message.consumer, message.id, *zip(*rows, strict=True))

    async def lag(self, most: int) -> list[Lag]:
        return [
            Lag(row["topic"], row["name"], row["waiting"], row["under_way"], row["oldest_ms"] or 0, row["dead"])
            for row in await self._fetch(_LAG, most)
        ]

    async def forget(self, older_ms: int) -> int:
        return len(await self._fetch(_FORGET, older_ms))

    async def dead_letters(self, consumer: str | None, most: int) -> list[DeadLetter]:
        return [
            DeadLetter(
                row["consumer"],
                Event(row["id"], Millis(row["at"]), row["body"]),
                row["error"],
                row["attempts"],
                Millis(row["died_at"]),
            )
            for row in await self._fetch(_LETTERS, consumer, most)
        ]

    async def replay(self, consumer: str, after: int, until: int) -> list[int]:
        return [id for row in await self._fetch(_REPLAY, consumer, after, until) for id in row["ids"]]

    async def drop(self, consumer: str, after: int, until: int) -> list[int]:
        return [row["id"] for row in await self._fetch(_DROP, consumer, after, until)]

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await fetch(self._pool, REQUEST_S, statement, *arguments)


def _message(row: asyncpg.Record) -> Message:
    return Message(row["consumer"], row["id"], tuple(map(Event, row["ids"], row["ats"], row["bodies"])))
