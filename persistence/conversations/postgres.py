"""The conversation store in Postgres. The SQL is in `statements`, what is made of rows in `views`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import asyncpg

from persistence.conversations import rows, statements
from persistence.conversations.contract import Activated, Created, DataFault, Known, Outcome, Scanned, Unit
from persistence.conversations.views import (
    EVENTS_A_SCAN,
    EVENTS_EACH,
    KINDS,
    LIST_BYTES,
    LOOK_BACK,
    RECEIPTS_UP_TO,
    SYNC_BYTES,
    Candidate,
    Page,
    Seen,
    cut_history,
    encode,
    read_place,
    shape,
    shape_with_events,
)
from persistence.cursors import read_cursor
from persistence.pool import Pool, always, fetch
from protocol.conversations import Conversation, Gone, Member
from protocol.events import ConversationChanged
from protocol.ids import ConversationId, Millis, UserId, shard_of
from protocol.replies import Conversations, History, SyncPage
from protocol.unset import or_unset

WITHIN_S = 3.0
"""How long one statement may take, the wait for a connection included."""

AT_ONCE = 50
"""Conversations read by one statement while a page is filled."""

_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
_FIRST = (2**63 - 1, 2**63 - 1)


class PostgresConversations:
    """Every write is one statement that commits by itself; `activate` and lists read in further ones.

    Each lane of the committer has an instance of its own, on a pool of one connection; questions share another. `scan`
    and `count_undelivered` are asked of one whose pool has the settings `persistence.pool.SCANNING`.
    """

    def __init__(self, pool: Pool, within_s: float = WITHIN_S, may: Callable[[], bool] = always) -> None:
        """`may`: whether this node may ask and write at all, asked before each statement."""
        self._pool = pool
        self._within_s = within_s
        self._may = may

    async def activate(
        self,
        id: ConversationId,
        askers: Collection[UserId],
        cids: Collection[tuple[UserId, str]],
        after: int | None,
    ) -> Activated | None:
        head = await self._row(statements.FENCE, int(id), [int(asker) for asker in askers])
        if not head:
            return None
        (state,) = await self._rows(statements.RELOAD, int(id), *_columns(cids), after, head["last_c"])
        return rows.activated(id, head, state)

    async def commit(self, units: Sequence[Unit], *, wait: bool) -> list[Outcome]:
        statement = statements.COMMIT_WAITING if wait else statements.COMMIT
        return [row[0] for row in await self._rows(statement, *rows.arguments(units))]

    async def find(self, id: ConversationId, asker: UserId, cids: Collection[str]) -> tuple[Known, ...]:
        asked = _columns([(asker, cid) for cid in cids])
        (row,) = await self._rows(statements.FIND, int(id), *asked)
        return rows.known(row)

    async def blocked(self, user: UserId, others: Collection[UserId]) -> set[UserId]:
        found = await self._rows(statements.BLOCKED, int(user), [int(other) for other in others])
        return {UserId(str(other)) for (other,) in found}

    async def open(self, user: UserId, other: UserId) -> ConversationId | None:
        low, high = sorted((int(user), int(other)))
        while True:
            ((id, blocked),) = await self._rows(statements.PAIR, low, high)
            if blocked:
                return None
            if id is None and (
                made := await self._row(statements.OPEN, low, high, shard_of(UserId(str(low))), int(user))
            ):
                (id,) = made
            if id is not None:
                return ConversationId(str(id))

    async def create(
        self, creator: UserId, cid: str, members: Sequence[UserId], title: str | None, digest: int, allowed: bool
    ) -> Created | None:
        while True:
            if row := await self._row(statements.CREATED, int(creator), cid):
                return rows.created(row)
            if not allowed:
                return None
            if created := await self._create(creator, cid, members, title, digest):
                return created

    async def _create(
        self, creator: UserId, cid: str, members: Sequence[UserId], title: str | None, digest: int
    ) -> Created | None:
        """None when somebody was faster, or the id is taken."""
        ((id, at),) = await self._rows(statements.NEW, shard_of(creator))
        event = ConversationChanged(
            conversation=ConversationId(str(id)),
            c=1,
            sender=creator,
            cid=cid,
            at=at,
            title=or_unset(title),
        )
        everybody = sorted({int(creator), *map(int, members)})
        kind, body = KINDS[ConversationChanged], encode(event)
        made = await self._row(statements.CREATE, id, title, int(creator), cid, digest, at, everybody, kind, body)
        return made and Created(event, tuple(UserId(str(user)) for user in everybody), digest, again=False)

    async def get(self, user: UserId, id: ConversationId) -> Conversation | None:
        found = await self._seen(user, [id], [None])
        return shape(found[0]) if found else None

    async def page(
        self, user: UserId, folder: Literal["inbox", "requests", "archive"], before: str | None, limit: int
    ) -> Conversations:
        at, id = read_cursor(before, _FIRST)
        listed = await self._rows(statements.LISTED, int(user), folder, at, id, limit + 1)
        positions = [(row[0], ConversationId(str(row[1]))) for row in listed]
        wanted = [id for _, id in positions[:limit]]
        page = Page(LIST_BYTES)
        for seen in await self._seen(user, wanted, [None] * len(wanted)):
            if not page.take(shape(seen)):
                break
        return page.listed(positions)

    async def receipts(self, user: UserId, id: ConversationId) -> tuple[Member, ...] | None:
        conversation = await self.get(user, id)
        return conversation.members if conversation else None

    async def undelivered(self, user: UserId, heads: Mapping[ConversationId, int]) -> list[tuple[ConversationId, int]]:
        behind = await self._rows(statements.BEHIND, int(user), [int(id) for id in heads], list(heads.values()))
        return [(ConversationId(str(id)), c) for id, c in behind]

    async def now(self) -> Millis:
        ((now,),) = await self._rows(statements.NOW)
        return Millis(now)

    async def history(
        self, user: UserId, id: ConversationId, after: int | None, before: int | None, limit: int
    ) -> History | None:
        backwards = after is None
        statement = statements.BACKWARDS if backwards else statements.FORWARDS
        first = 1 if after is None else after + 1
        end = 2**63 - 1 if before is None else before
        found = await self._rows(statement, int(user), int(id), first, end, limit + 1)
        if not found:
            return None
        return cut_history([rows.event(row) for row in found if row[0]], limit, backwards=backwards)

    async def sync(
        self, user: UserId, heads: Mapping[ConversationId, int], since: Millis, only: bool, cursor: str | None
    ) -> SyncPage:
        if cursor is None:
            now, end = await self.now(), 0
        else:
            began, end = read_cursor(cursor)
            now = Millis(began)
        changed = await self._rows(
            statements.CHANGED,
            int(user),
            [int(id) for id in heads],
            list(heads.values()),
            since - LOOK_BACK,
            only,
            end,
        )
        found = (rows.candidate(row) for row in changed if row[3] or str(row[0]) not in heads)
        return await self._filled(user, list(found), now)

    async def scan(self, since: Millis, shards: bytes, then: str | None) -> Scanned:
        # Marks before events: a mark that is told is then of an event that this scan finds, or an earlier one.
        moved = () if then else await self._rows(statements.MOVED, since, shards, RECEIPTS_UP_TO)
        place = (since * 1_000, 0, 0) if then is None else read_place(then)
        return rows.scanned(await self._rows(statements.HEARD, *place, shards, EVENTS_A_SCAN), moved)

    async def count_undelivered(self, since: Millis, until: Millis, shards: bytes) -> int:
        ((count,),) = await self._rows(statements.UNDELIVERED, since, until, shards)
        return int(count)

    async def _filled(self, user: UserId, candidates: Sequence[Candidate], now: Millis) -> SyncPage:
        page = Page(SYNC_BYTES)
        for start in range(0, len(candidates), AT_ONCE):
            some = candidates[start : start + AT_ONCE]
            there = [candidate for candidate in some if not candidate.gone]
            seen = await self._seen(
                user, [candidate.id for candidate in there], [candidate.head for candidate in there]
            )
            by_id = {one.id: one for one in seen}
            for candidate in some:
                if not page.take(_told(candidate, by_id.get(candidate.id))):
                    return page.synced(candidates, now)
        return page.synced(candidates, now)

    async def _seen(self, user: UserId, ids: Sequence[ConversationId], heads: Sequence[int | None]) -> list[Seen]:
        found = await self._rows(statements.SEEN, int(user), [int(id) for id in ids], heads, EVENTS_EACH + 1)
        return [rows.seen(user, row) for row in found]

    async def _row(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        found = await self._rows(statement, *arguments)
        return found[0] if found else None

    async def _rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await fetch(self._pool, self._within_s, statement, *arguments, may=self._may)
        except _REFUSED as fault:
            raise DataFault(str(fault)) from fault


def _told(candidate: Candidate, seen: Seen | None) -> Conversation | Gone:
    if not seen:
        return Gone(candidate.id)
    return shape(seen) if candidate.head is None else shape_with_events(seen)


def _columns(cids: Collection[tuple[UserId, str]]) -> tuple[list[int], list[str]]:
    asked = dict.fromkeys(cids)
    return [int(sender) for sender, _ in asked], [cid for _, cid in asked]
