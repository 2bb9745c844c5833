"""The graph in memory: for tests, and for reading what the Postgres store must do."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import get_args

import msgspec
from msgspec import UNSET

from persistence.conversations.database import Database, Transaction
from persistence.cursors import cursor, read_cursor
from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, VIA, Deed, GraphRefusal, Kind, Names, Others
from persistence.graph.decision import Edge, Relationship, activities, decide, grown, shown
from persistence.people.contract import Account
from protocol.activity import Activity
from protocol.graph import People, Person, Relation, Suggested
from protocol.ids import ConversationId, Millis, UserId
from protocol.people import Profile

_KINDS: tuple[Kind, ...] = ("block", "mute", "restrict", "close_friend")


class GraphTables:
    """What is committed, shared by any number of clients. `outbox` is what was told, in order."""

    def __init__(self, accounts: dict[UserId, Account]) -> None:
        self.accounts = accounts
        self.edges: dict[tuple[UserId, UserId], tuple[Edge, Millis]] = {}
        self.relations: dict[tuple[UserId, Kind, UserId], Millis] = {}
        self.outbox: list[Activity] = []

    def relationship(self, me: UserId, them: UserId) -> Relationship | None:
        if (account := self.accounts.get(them)) is None:
            return None
        return Relationship(
            account.private,
            self.blocks(them, me),
            frozenset(kind for kind in _KINDS if (me, kind, them) in self.relations),
            self.edges.get((me, them), (None, 0))[0],
            self.edges.get((them, me), (None, 0))[0],
            (them, "close_friend", me) in self.relations,
        )

    def blocks(self, one: UserId, other: UserId) -> bool:
        """As the predicate BLOCKS."""
        return (one, "block", other) in self.relations

    def apart(self, one: UserId, other: UserId) -> bool:
        """As the predicate BLOCKED."""
        return self.blocks(one, other) or self.blocks(other, one)

    def follows(self, one: UserId, other: UserId) -> bool:
        """As the predicate FOLLOWS."""
        return self.edges.get((one, other), ("requested", 0))[0] != "requested"

    def put(self, me: UserId, them: UserId, relationship: Relationship, now: Millis) -> None:
        self.put_edge(me, them, relationship.forth, now)
        self.put_edge(them, me, relationship.back, now)
        for kind in _KINDS:
            self._relate(me, kind, them, now if kind in relationship.mine else None)
        self._relate(them, "close_friend", me, now if relationship.befriended else None)

    def put_edge(self, follower: UserId, followee: UserId, edge: Edge | None, now: Millis) -> None:
        if edge is None:
            self.edges.pop((follower, followee), None)
        elif self.edges.get((follower, followee), (None, 0))[0] != edge:
            self.edges[follower, followee] = edge, now

    def _relate(self, owner: UserId, kind: Kind, target: UserId, at: Millis | None) -> None:
        if at is None:
            self.relations.pop((owner, kind, target), None)
        else:
            self.relations.setdefault((owner, kind, target), at)

    def listed(self, me: UserId, names: Names) -> Iterator[tuple[Millis, UserId]]:
        """Everybody on a list of mine, and since when."""
        match names:
            case "followers" | "requests":
                for (follower, followee), (edge, at) in self.edges.items():
                    if followee == me and (edge == "requested") == (names == "requests"):
                        yield at, follower
            case "following":
                for (follower, followee), (edge, at) in self.edges.items():
                    if follower == me and edge != "requested":
                        yield at, followee
            case _:
                for (owner, kind, target), at in self.relations.items():
                    if (owner, kind) == (me, names):
                        yield at, target

    def count(self, me: UserId, names: Names) -> int:
        """How many count for the limit of a list."""
        if names == "following":
            return sum(follower == me for follower, _ in self.edges)
        return sum(1 for _ in self.listed(me, names))


class MemoryGraph:
    """The memory twin of `GraphStore`: one client of a database in memory."""

    def __init__(self, database: Database, tables: GraphTables) -> None:
        self._database = database
        self._tables = tables

    async def change(self, me: UserId, them: UserId, deed: Deed) -> Relation | GraphRefusal:
        async def change(transaction: Transaction) -> Relation | GraphRefusal:
            await transaction.lock(sorted((("graph", int(me)), ("graph", int(them)))))
            before, now = self._tables.relationship(me, them), self._database.now()
            after = decide(before, deed)
            if before is None or not isinstance(after, Relationship):
                return "absent" if isinstance(after, Relationship) else after
            names = grown(before, after)
            if names and self._tables.count(me, names) >= LIMITS[names]:
                return "full"
            transaction.write(self._tables.put, me, them, after, now)
            transaction.write(self._tables.outbox.extend, activities(me, them, before, after, now))
            if ("block" in before.mine) != ("block" in after.mine):
                await self._fence(transaction, me, them)
            return shown(them, after)

        return await self._database.run("change graph", change)

    async def _fence(self, transaction: Transaction, me: UserId, them: UserId) -> None:
        low, high = sorted((me, them), key=int)
        tables = self._database.tables
        if (id := tables.pairs.get((low, high))) is None:
            return
        await transaction.lock([id])
        head = tables.heads[id]
        transaction.write(tables.put_head, msgspec.structs.replace(head, fence=head.fence + 1))

    async def fence(self, me: UserId, them: UserId) -> list[ConversationId]:
        tables = self._database.tables

        async def fence(transaction: Transaction) -> list[ConversationId]:
            shared = sorted((id for id in tables.of_user.get(me, ()) if self._both_in(id, me, them)), key=int)
            await transaction.lock(shared)
            for id in shared:
                head = tables.heads[id]
                transaction.write(tables.put_head, msgspec.structs.replace(head, fence=head.fence + 1))
            return shared

        return await self._database.run("fence", fence)

    def _both_in(self, id: ConversationId, *people: UserId) -> bool:
        members = self._database.tables.members[id]
        return all(user in members and not members[user].left_c for user in people)

    async def relation(self, me: UserId, them: UserId) -> Relation | None:
        relationship = self._tables.relationship(me, them)
        return None if relationship is None or relationship.barred else shown(them, relationship)

    async def page(self, me: UserId, names: Names, before: str | None, limit: int) -> People:
        listed = ((at, user) for at, user in self._tables.listed(me, names) if not self._tables.blocks(user, me))
        return self._page(listed, before, limit)

    def _page(self, listed: Iterable[tuple[Millis, UserId]], before: str | None, limit: int) -> People:
        end = read_cursor(before)
        everybody = sorted(((at * 1_000, int(user)) for at, user in listed), reverse=True)
        left = [(at, id) for at, id in everybody if (at, id) < end]
        people = [self._person(at, UserId(str(id))) for at, id in left[:limit]]
        if len(left) <= limit:
            return People(people)
        return People(people, cursor(left[limit - 1][0], people[-1].user))

    def _person(self, at: int, id: UserId) -> Person:
        account = self._tables.accounts[id]
        return Person(id, account.username, Millis(at // 1_000), account.name or UNSET)

    async def others(
        self, viewer: UserId, user: UserId, names: Others, before: str | None, limit: int
    ) -> People | None:
        tables, account = self._tables, self._tables.accounts.get(user)
        if account is None or (viewer != user and tables.apart(viewer, user)):
            return None
        if account.private and viewer != user and not tables.follows(viewer, user):
            return None
        listed = ((at, one) for at, one in tables.listed(user, names) if not tables.apart(one, viewer))
        return self._page(listed, before, limit)

    async def suggestions(self, me: UserId, limit: int) -> list[Suggested]:
        tables = self._tables
        via: dict[UserId, list[UserId]] = {}
        for friend in self._newest_followed(me):
            for one in self._newest_followed(friend):
                via.setdefault(one, []).append(friend)
        ranked = sorted(via, key=lambda one: (len(via[one]), int(one)), reverse=True)
        open_to = (
            one
            for one in ranked
            if one != me
            and (me, one) not in tables.edges
            and not tables.apart(me, one)
            and not any((me, kind, one) in tables.relations for kind in ("mute", "restrict"))
        )
        return [self._suggested(one, via[one]) for one in islice(open_to, limit)]

    def _newest_followed(self, user: UserId) -> list[UserId]:
        listed = sorted(((at, int(one)) for at, one in self._tables.listed(user, "following")), reverse=True)
        return [UserId(str(one)) for _, one in listed[:VIA]]

    def _suggested(self, id: UserId, via: list[UserId]) -> Suggested:
        account = self._tables.accounts[id]
        return Suggested(id, account.username, len(via), tuple(via[:3]), account.name or UNSET)

    async def profile(self, viewer: UserId, id: UserId) -> Profile | None:
        account = self._tables.accounts.get(id)
        if account is None or self._tables.blocks(id, viewer):
            return None
        followers, following = (sum(1 for _ in self._tables.listed(id, names)) for names in get_args(Others))
        return Profile(id, account.username, account.name or UNSET, account.private, followers, following)

    async def profile_named(self, viewer: UserId, username: str) -> Profile | None:
        named = (id for id, account in self._tables.accounts.items() if account.username.lower() == username.lower())
        return await self.profile(viewer, next(named, UserId("")))

    async def set_private(self, me: UserId, private: bool) -> tuple[UserId, ...]:
        async def set_private(transaction: Transaction) -> tuple[UserId, ...]:
            await transaction.lock([("graph", int(me))])
            now = self._database.now()
            transaction.write(self._put_private, me, private)
            if private:
                return ()
            waiting = sorted(self._tables.listed(me, "requests"))[:ACCEPTED_AT_ONCE]
            for _, them in waiting:
                before = Relationship(back="requested")
                transaction.write(self._tables.put_edge, them, me, "accepted", now)
                told = activities(me, them, before, Relationship(back="accepted"), now)
                transaction.write(self._tables.outbox.extend, told)
            return tuple(them for _, them in waiting)

        return await self._database.run("set private", set_private)

    def _put_private(self, me: UserId, private: bool) -> None:
        accounts = self._tables.accounts
        if account := accounts.get(me):
            accounts[me] = msgspec.structs.replace(account, private=private)
