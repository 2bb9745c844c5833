"""Who may see whether somebody is here, from Postgres: the pairs are looked up together, along indexes."""

from collections.abc import Collection

from persistence.pool import Pool, fetch
from persistence.presence.contract import Looking, Sight
from protocol.ids import UserId

WITHIN_S = 2.0
PAIRS = 500
"""Of one statement."""

KINDS = Sight(False, False), Sight(True, False), Sight(True, True)
"""What the numbers mean that the statement answers with: one row for each who looks; one for each pair is dearer."""

# The conversations of who looks are read once; each of the others is then found in them by one descent of
# member_user, however many there are. Products, not `and`: every part is computed, whatever the others say.
SIGHTS = """
select l.place, array(
    select s.together * s.open * s.shown * (1 + s.viewing)
    from unnest(l.others::bigint[], l.conversations::bigint[]) with ordinality o (id, conversation, place)
    cross join lateral (
        select
            sign(
                exists (
                    select from member m
                    where m.user_id = o.id and m.conversation = any (mine.conversations)
                        and m.left_c = 0 and m.folder = 'inbox'
                )::int
                + exists (select from follow f where f.follower = l.id and f.followee = o.id and not f.requested)::int
                * exists (select from follow f where f.follower = o.id and f.followee = l.id and not f.requested)::int
            )::int as together,
            (not exists (select from relation r where r.user_id = l.id and r.kind = 'block' and r.target = o.id))::int
            * (not exists (select from relation r where r.user_id = o.id and r.kind = 'block' and r.target = l.id))::int
                as open,
            (not mine.hidden)::int * (not exists (select from account a where a.id = o.id and a.hidden))::int as shown,
            exists (
                select from member m
                where m.conversation = o.conversation and m.user_id = o.id and m.left_c = 0 and m.folder = 'inbox'
            )::int
            * exists (
                select from member m
                where m.conversation = o.conversation and m.user_id = l.id and m.left_c = 0 and m.folder = 'inbox'
            )::int as viewing
        offset 0
    ) s
    order by o.place
) as sights
from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality l (id, others, conversations, place)
cross join lateral (
    select array(
        select m.conversation from member m
        where m.user_id = l.id and m.left_c = 0 and m.folder = 'inbox' order by m.conversation
    ) as conversations,
    exists (select from account a where a.id = l.id and a.hidden) as hidden
    offset 0
) mine
"""
VISIBLE = "select from account where id = $1 and hidden"
SET_VISIBLE = "update account set hidden = not $2, hidden_at = statement_timestamp() where id = $1"
CHANGED = """
select user_id, target from relation
where kind = 'block' and at > statement_timestamp() - make_interval(secs => $1::float8 / 1000)
union all
select id, null from account where hidden_at > statement_timestamp() - make_interval(secs => $1::float8 / 1000)
"""


class PostgresSights:
    """Keeps the contract `SightStore`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sights(self, looking: Collection[Looking]) -> dict[UserId, dict[UserId, Sight]]:
        found: dict[UserId, dict[UserId, Sight]] = {look.user: {} for look in looking}
        batch: list[Looking] = []
        for look in looking:
            if batch and sum(len(other.others) for other in batch) + len(look.others) > PAIRS:
                await self._look(batch, found)
                batch = []
            batch.append(look)
        if batch:
            await self._look(batch, found)
        return found

    async def _look(self, batch: list[Looking], found: dict[UserId, dict[UserId, Sight]]) -> None:
        users = [int(look.user) for look in batch]
        others = ["{" + ",".join(look.others) + "}" for look in batch]
        conversations = ["{" + ",".join(id or "0" for id in look.others.values()) + "}" for look in batch]
        for place, kinds in await fetch(self._pool, WITHIN_S, SIGHTS, users, others, conversations):
            look = batch[place - 1]
            found[look.user].update(zip(look.others, map(KINDS.__getitem__, kinds), strict=True))

    async def is_visible(self, user: UserId) -> bool:
        return not await fetch(self._pool, WITHIN_S, VISIBLE, int(user))

    async def set_visible(self, user: UserId, visible: bool) -> None:
        await fetch(self._pool, WITHIN_S, SET_VISIBLE, int(user), visible)

    async def changed(self, within_ms: int) -> list[tuple[UserId, UserId | None]]:
        rows = await fetch(self._pool, WITHIN_S, CHANGED, within_ms)
        return [(UserId(str(user)), None if target is None else UserId(str(target))) for user, target in rows]
