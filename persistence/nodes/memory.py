"""The memory twin of the node store: the same leases by the same rules, on the database in memory."""

from collections.abc import Callable

from msgspec import Struct

from persistence.conversations.database import Database, Fault, Transaction, no_fault
from persistence.nodes.contract import LEASE_MS, OUTAGE_MS, RECENT_MS, Ended, Life, Member, View
from protocol.ids import Millis

PLACEMENT = "placement"
"""Names the row that every change locks last."""


class Lease(Struct, frozen=True, gc=False):
    """A row of `node`; as there, a name keeps its row when another life joins under it."""

    node: Life
    confirmed: int
    renewed_at: Millis


class Leases:
    """What is committed: the tables `node`, by name, and `placement`. One for each database."""

    def __init__(self) -> None:
        self.rows: dict[str, Lease] = {}
        self.version = 0
        self.grace_until = Millis(0)
        self.ended: list[Ended] = []

    def put(self, lease: Lease, at: Millis) -> None:
        """A lease goes on, or a life begins where another one was."""
        earlier = self.rows.get(lease.node.name)
        if earlier and earlier.node.incarnation != lease.node.incarnation:
            self.ended.append(Ended(earlier.node.incarnation, at))
        self.rows[lease.node.name] = lease

    def delete(self, name: str, at: Millis) -> None:
        self.ended.append(Ended(self.rows.pop(name).node.incarnation, at))

    def raise_version(self) -> None:
        self.version += 1

    def spare_until(self, time: Millis) -> None:
        self.grace_until = time

    def find(self, incarnation: str) -> Lease | None:
        return next((lease for lease in self.rows.values() if lease.node.incarnation == incarnation), None)

    def nobody_renewed(self, now: Millis) -> bool:
        """For so long that it must have been the database that was away."""
        return bool(self.rows) and max(lease.renewed_at for lease in self.rows.values()) < now - OUTAGE_MS


class MemoryNodes:
    """One client of a database in memory; `fault` strikes this client's statements only.

    `cut_off` has to make every statement of that life fail that has not committed by then.
    """

    def __init__(
        self, database: Database, leases: Leases, cut_off: Callable[[str], None], fault: Fault = no_fault
    ) -> None:
        self._database = database
        self._leases = leases
        self._cut_off = cut_off
        self._fault = fault

    async def join(self, node: Life) -> View:
        async def join(transaction: Transaction) -> None:
            now = self._database.now()
            away = self._leases.nobody_renewed(now)
            await transaction.lock([_row(node.name), PLACEMENT])
            transaction.write(self._leases.put, Lease(node, 0, now), now)
            transaction.write(self._leases.raise_version)
            if away:
                transaction.write(self._leases.spare_until, now + LEASE_MS)

        await self._database.run("join", join, self._fault)
        return await self.look()

    async def renew(self, incarnation: str, confirmed: int) -> View | None:
        async def renew(transaction: Transaction) -> bool:
            now, grace_until = self._database.now(), self._leases.grace_until
            away, silent = self._leases.nobody_renewed(now), self._silent(incarnation, now)
            if not (mine := self._leases.find(incarnation)):
                return False
            await transaction.lock([_row(mine.node.name)])
            # As the statement does: whoever got the row after a wait looks at its newest version.
            if not (mine := self._leases.find(incarnation)):
                return False
            renewed = Lease(mine.node, max(mine.confirmed, confirmed), max(mine.renewed_at, now))
            transaction.write(self._leases.put, renewed, now)
            if away:
                await transaction.lock([PLACEMENT])
                transaction.write(self._leases.spare_until, now + LEASE_MS)
            elif grace_until <= now:
                await self._remove_silent(transaction, silent, now)
            return True

        if not await self._database.run("renew", renew, self._fault):
            return None
        view = await self.look()
        return view if any(member.node.incarnation == incarnation for member in view.members) else None

    def _silent(self, but: str, now: Millis) -> list[str]:
        """The names of those whose lease has run out."""
        rows = self._leases.rows.values()
        return [row.node.name for row in rows if row.node.incarnation != but and row.renewed_at < now - LEASE_MS]

    async def _remove_silent(self, transaction: Transaction, names: list[str], now: Millis) -> None:
        """Remove those of them who are silent still; one that is locked is being renewed or removed by another."""
        if not names:
            return
        held = await transaction.lock(map(_row, names), skip=True)
        rows = self._leases.rows
        gone = [n for n in names if _row(n) in held and n in rows and rows[n].renewed_at < now - LEASE_MS]
        await self._delete(transaction, gone)

    async def _delete(self, transaction: Transaction, names: list[str]) -> None:
        if not names:
            return
        await transaction.lock([PLACEMENT])
        for name in names:
            transaction.write(self._leases.delete, name, self._database.now())
        transaction.write(self._leases.raise_version)

    async def leave(self, incarnation: str) -> None:
        async def leave(transaction: Transaction) -> None:
            if mine := self._leases.find(incarnation):
                await transaction.lock([_row(mine.node.name)])
                there = self._leases.find(incarnation)
                await self._delete(transaction, [mine.node.name] if there else [])

        await self._database.run("leave", leave, self._fault)

    async def remove(self, name: str) -> None:
        async def remove(transaction: Transaction) -> None:
            await transaction.lock([_row(name)])
            await self._delete(transaction, [name] if name in self._leases.rows else [])

        await self._database.run("remove", remove, self._fault)

    async def look(self) -> View:
        async def look(transaction: Transaction) -> View:
            rows = sorted(self._leases.rows.values(), key=lambda row: row.node.name)
            members = tuple(Member(row.node, row.confirmed) for row in rows)
            since = self._database.now() - RECENT_MS
            ended = tuple(life for life in self._leases.ended if life.at > since)
            return View(self._leases.version, members, transaction.settled, ended)

        return await self._database.run("look", look, self._fault)

    async def cut_off(self, incarnation: str) -> None:
        await self._database.read("cut off", lambda: self._cut_off(incarnation), self._fault)


def _row(name: str) -> tuple[str, str]:
    return "node", name
