"""The memory twin of the conversation store: the same answers as Postgres, and the same ways to fail."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET

from persistence.conversations import reading
from persistence.conversations.contract import Activated, Created, DataFault, Known, Outcome, Scanned, Unit
from persistence.conversations.database import Database, Fault, Head, Row, Tables, Transaction, no_fault
from persistence.conversations.views import Membership, chosen, encode, head_after, read_place, shape
from persistence.cursors import read_cursor
from protocol.conversations import Conversation, Member
from protocol.events import ConversationChanged
from protocol.facts import Chosen, Said
from protocol.ids import ConversationId, Millis, UserId, shard_of
from protocol.replies import Conversations, History, SyncPage
from protocol.unset import or_unset


class MemoryConversations:
    """One client of a database in memory; `fault` strikes this client's statements only."""

    def __init__(self, database: Database, fault: Fault = no_fault) -> None:
        self._database = database
        self._tables = database.tables
        self._fault = fault

    async def activate(
        self,
        id: ConversationId,
        askers: Collection[UserId],
        cids: Collection[tuple[UserId, str]],
        after: int | None,
    ) -> Activated | None:
        async def fence(transaction: Transaction) -> Head | None:
            if self._tables.members.get(id, {}).keys().isdisjoint(askers):
                return None
            await transaction.lock([id])
            head = self._tables.heads[id]
            raised = msgspec.structs.replace(head, fence=head.fence + 1)
            transaction.write(self._tables.put_head, raised)
            return raised

        head = await self._database.run("activate", fence, self._fault)
        if not head:
            return None
        return await self._database.read(
            "reload", lambda: reading.activated(self._tables, head, cids, after), self._fault
        )

    async def commit(self, units: Sequence[Unit], *, wait: bool) -> list[Outcome]:
        async def commit(transaction: Transaction) -> list[Outcome]:
            now = self._database.now()
            for unit in units:
                _check(unit)
            # As the statement does: known cids are looked up before the lock is had, the head is looked at after.
            known = {unit.id for unit in units if any(reading.known(self._tables, unit.id, _cids(unit)))}
            rows = sorted((unit.id for unit in units if unit.id in self._tables.heads), key=int)
            locked = await transaction.lock(rows, skip=not wait)
            outcomes: list[Outcome] = []
            for unit in units:
                if unit.id in known:
                    outcomes.append("known")
                elif unit.id not in locked:
                    outcomes.append("lost" if wait else "skipped")
                else:
                    outcomes.append(_put(self._tables, unit, transaction, now))
            return outcomes

        return await self._database.run("commit", commit, self._fault)

    async def find(self, id: ConversationId, asker: UserId, cids: Collection[str]) -> tuple[Known, ...]:
        def find() -> tuple[Known, ...]:
            return tuple(reading.known(self._tables, id, [(asker, cid) for cid in cids]))

        return await self._database.read("find", find, self._fault)

    async def blocked(self, user: UserId, others: Collection[UserId]) -> set[UserId]:
        def blocked() -> set[UserId]:
            return {other for other in others if self._tables.apart(user, other)}

        return await self._database.read("blocked", blocked, self._fault)

    async def open(self, user: UserId, other: UserId) -> ConversationId | None:
        async def open(transaction: Transaction) -> ConversationId | None:
            now = self._database.now()
            low, high = sorted((user, other), key=int)
            await transaction.lock([(low, high)])
            if self._tables.apart(user, other):
                return None
            if there := self._tables.pairs.get((low, high)):
                return there
            id = self._database.next_id(shard_of(low))
            transaction.write(self._tables.put_head, Head(id, "direct", None, 0, 0, 0, now, now, now))
            transaction.write(self._tables.pairs.__setitem__, (low, high), id)
            for each in dict.fromkeys((low, high)):
                transaction.write(self._tables.put_member, id, _newcomer(self._tables, each, "member", user))
            return id

        return await self._database.run("open", open, self._fault)

    async def create(
        self, creator: UserId, cid: str, members: Sequence[UserId], title: str | None, digest: int, allowed: bool
    ) -> Created | None:
        async def create(transaction: Transaction) -> Created | None:
            now = self._database.now()
            await transaction.lock([(creator, cid)] if allowed else [])
            if there := self._tables.creations.get((creator, cid)):
                return self._created(there)
            if not allowed:
                return None
            id = self._database.next_id(shard_of(creator))
            event = ConversationChanged(conversation=id, c=1, sender=creator, cid=cid, at=now, title=or_unset(title))
            _check(Unit(id, 0, 0, (Said(event, digest),)))
            transaction.write(self._tables.put_head, Head(id, "group", title, digest, 1, 0, now, now, now))
            transaction.write(self._tables.creations.__setitem__, (creator, cid), id)
            everybody = sorted({creator, *members}, key=int)
            for user in everybody:
                role: Literal["owner", "member"] = "owner" if user == creator else "member"
                transaction.write(self._tables.put_member, id, _newcomer(self._tables, user, role, creator))
            transaction.write(self._tables.put_event, Row(event, digest, now))
            return Created(event, tuple(everybody), digest, again=False)

        return await self._database.run("create", create, self._fault)

    def _created(self, id: ConversationId) -> Created:
        first = self._tables.events[id][0].event
        assert isinstance(first, ConversationChanged)
        members = tuple(member.user for member in reading.members(self._tables, id))
        return Created(first, members, self._tables.heads[id].create_digest, again=True)

    async def get(self, user: UserId, id: ConversationId) -> Conversation | None:
        def get() -> Conversation | None:
            seen = reading.seen(self._tables, user, id)
            return shape(seen) if seen else None

        return await self._database.read("get", get, self._fault)

    async def page(
        self, user: UserId, folder: Literal["inbox", "requests", "archive"], before: str | None, limit: int
    ) -> Conversations:
        end = read_cursor(before) if before is not None else None
        return await self._database.read(
            "page", lambda: reading.page(self._tables, user, folder, end, limit), self._fault
        )

    async def receipts(self, user: UserId, id: ConversationId) -> tuple[Member, ...] | None:
        conversation = await self.get(user, id)
        return conversation.members if conversation else None

    async def undelivered(self, user: UserId, heads: Mapping[ConversationId, int]) -> list[tuple[ConversationId, int]]:
        return await self._database.read(
            "undelivered", lambda: reading.undelivered(self._tables, user, heads), self._fault
        )

    async def now(self) -> Millis:
        return await self._database.read("now", self._database.now, self._fault)

    async def history(
        self, user: UserId, id: ConversationId, after: int | None, before: int | None, limit: int
    ) -> History | None:
        return await self._database.read(
            "history", lambda: reading.history(self._tables, user, id, after, before, limit), self._fault
        )

    async def sync(
        self, user: UserId, heads: Mapping[ConversationId, int], since: Millis, only: bool, cursor: str | None
    ) -> SyncPage:
        began, end = read_cursor(cursor) if cursor is not None else (None, 0)

        def sync() -> SyncPage:
            now = self._database.now() if began is None else Millis(began)
            return reading.sync(self._tables, user, heads, since, only, end, now)

        return await self._database.read("sync", sync, self._fault)

    async def scan(self, since: Millis, shards: bytes, then: str | None) -> Scanned:
        end = None if then is None else read_place(then)
        return await self._database.read("scan", lambda: reading.scan(self._tables, since, shards, end), self._fault)

    async def count_undelivered(self, since: Millis, until: Millis, shards: bytes) -> int:
        return await self._database.read(
            "count undelivered", lambda: reading.count_undelivered(self._tables, since, until, shards), self._fault
        )


def _put(tables: Tables, unit: Unit, transaction: Transaction, now: Millis) -> Outcome:
    """Write one unit whose row is locked, if nothing has moved since it was decided."""
    head = tables.heads[unit.id]
    if (head.last_c, head.fence) != (unit.last_c, unit.fence):
        return "lost"
    if len(set(_cids(unit))) < len(_cids(unit)):
        raise DataFault(f"{unit.id}: a cid stands twice in one unit")
    moved = _moved(head, unit, now)
    transaction.write(tables.put_head, moved)
    for member in _marked(tables.members[unit.id], unit, moved.last_c, now):
        transaction.write(tables.put_member, unit.id, member)
    for fact in unit.facts:
        if isinstance(fact, Said):
            transaction.write(tables.put_event, Row(fact.event, fact.digest, now))
    return "committed"


def _moved(head: Head, unit: Unit, now: Millis) -> Head:
    events = [fact.event for fact in unit.facts if isinstance(fact, Said)]
    titles = [event.title for event in events if isinstance(event, ConversationChanged) and event.title is not UNSET]
    return msgspec.structs.replace(
        head,
        last_c=head_after(unit),
        title=titles[-1] if titles else head.title,
        at=max([head.at, *(event.at for event in events)]),
        stored_at=now if events else head.stored_at,
        state_at=now if any(not isinstance(fact, Said) and fact.shown for fact in unit.facts) else head.state_at,
    )


def _marked(members: Mapping[UserId, Membership], unit: Unit, last_c: int, now: Millis) -> Iterable[Membership]:
    """The members whom marks or settings of the unit change."""
    marked: dict[UserId, Membership] = {}
    for fact in unit.facts:
        if isinstance(fact, Said) or not (member := marked.get(fact.user, members.get(fact.user))):
            continue
        if isinstance(fact, Chosen):
            marked[fact.user] = msgspec.structs.replace(
                member,
                settings=member.settings | chosen(fact),
                folder=fact.settings.folder or member.folder,
                state_at=now,
            )
        else:
            marked[fact.user] = msgspec.structs.replace(
                member,
                delivered_c=max(member.delivered_c, min(fact.moved.delivered_c or 0, last_c)),
                read_c=max(member.read_c, min(fact.moved.read_c or 0, last_c)),
                state_at=now,
            )
    return marked.values()


def _newcomer(tables: Tables, user: UserId, role: Literal["owner", "member"], maker: UserId) -> Membership:
    known = user == maker or (user, maker) in tables.follows
    return Membership(user, role, 0, 0, 0, 0, "inbox" if known else "requests", {})


def _cids(unit: Unit) -> list[tuple[UserId, str]]:
    return [(fact.event.sender, fact.event.cid) for fact in unit.facts if isinstance(fact, Said)]


def _check(unit: Unit) -> None:
    """Refuse what Postgres refuses wherever it stands in a batch: NUL, text without an encoding, too large integers."""
    head_after(unit)
    for fact in unit.facts:
        if isinstance(fact, Said):
            encode(fact.event)
            if "\0" in fact.event.cid or not -(2**63) <= fact.digest < 2**63:
                raise DataFault(f"{unit.id}: the database refuses the event at c {fact.event.c}")
        elif isinstance(fact, Chosen) and "\0" in (fact.settings.draft or ""):
            raise DataFault(f"{unit.id}: the database refuses these settings")
