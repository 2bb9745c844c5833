"""The node store in Postgres."""

from collections.abc import Sequence

import asyncpg

from persistence.faults import UnavailableError
from persistence.nodes import statements
from persistence.nodes.contract import Ended, Life, Member, View
from persistence.pool import Pool, fetch
from protocol.ids import Millis

WITHIN_S = 1.0
"""How long one statement may take, the wait for a connection included: a lease leaves time for another attempt."""
END_MS = 1_000
"""How long the end of one connection is waited for."""
CUT_OFF_S = 3.0


class PostgresNodes:
    """Every change is one statement that commits by itself; what is there after it is read in another.

    `pool` is of this store alone, so that a lease does not wait behind anything else.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def join(self, node: Life) -> View:
        await self._rows(statements.JOIN, node.incarnation, node.name, node.url, node.address, node.private)
        return await self.look()

    async def renew(self, incarnation: str, confirmed: int) -> View | None:
        if not await self._rows(statements.RENEW, incarnation, confirmed):
            return None
        view = await self.look()
        return view if any(member.node.incarnation == incarnation for member in view.members) else None

    async def leave(self, incarnation: str) -> None:
        await self._rows(statements.LEAVE, incarnation)

    async def remove(self, name: str) -> None:
        await self._rows(statements.REMOVE, name)

    async def look(self) -> View:
        return _view(await self._rows(statements.LOOK))

    async def cut_off(self, incarnation: str) -> None:
        told = await fetch(self._pool, CUT_OFF_S, statements.CUT_OFF, incarnation, END_MS)
        ((left,),) = await self._rows(statements.LEFT, incarnation, [row[0] for row in told])
        if left:
            raise UnavailableError(f"{left} connections of {incarnation} do not end")

    async def _rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        return await fetch(self._pool, WITHIN_S, statement, *arguments)


def _view(rows: Sequence[asyncpg.Record]) -> View:
    """Rows of the statement LOOK: without a node there is one, with nulls in its place."""
    members = tuple(Member(Life(*node), confirmed) for _, _, _, _, *node, confirmed in rows if node[0])
    version, settled, lives, times = rows[0][:4]
    ended = tuple(Ended(life, Millis(at)) for life, at in zip(lives, times, strict=True))
    return View(version, members, Millis(settled), ended)
